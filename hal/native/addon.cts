// Our own addon, by the only kind of module that Node and the bundler both load one from. scripts/native/build.mjs makes it.
module.exports = require("./sealcast_sockets.node");
