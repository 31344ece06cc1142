// The same scenarios with key server and reception server apart (claims 4 and 5) over Mosquitto, keys made by the key server (claim 7).
import { figureTwoScenarios } from "./scenarios.mjs";

figureTwoScenarios("servers apart over Mosquitto, keys made by the key server", { apart: true, keys: "key-server" });
