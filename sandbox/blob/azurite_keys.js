// Loaded into Azurite before it starts: it then reads its accounts from a file, again and again, where by itself
// it reads its own environment once a minute, which nobody outside can change. Written for Azurite 3.37.
"use strict";
const fs = require("fs");
const path = require("path");

const FILE = process.env.SANDBOX_AZURITE_ACCOUNTS;
const MILLISECONDS = 200;

const common = path.join(path.dirname(fs.realpathSync(process.argv[1])), "common");
const constants = require(path.join(common, "utils", "constants.js"));
const AccountDataStore = require(path.join(common, "AccountDataStore.js")).default;
const refresh = AccountDataStore.prototype.refresh;

if (!FILE || typeof refresh !== "function" || typeof constants.DEFAULT_ACCOUNTS_REFRESH_INTERVAL !== "number") {
  throw new Error("the sandbox doesn't know how this version of Azurite keeps its accounts; it knows 3.37");
}
constants.DEFAULT_ACCOUNTS_REFRESH_INTERVAL = MILLISECONDS;
AccountDataStore.prototype.refresh = function () {
  process.env.AZURITE_ACCOUNTS = fs.readFileSync(FILE, "utf8");
  refresh.call(this);
};
