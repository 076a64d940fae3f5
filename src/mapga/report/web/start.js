"use strict";
read();
show();
