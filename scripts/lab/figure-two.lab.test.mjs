// Scenarios 1 to 3 with `control` (claim 6) and keys made by the headend (claim 3).
import { figureTwoScenarios } from "./scenarios.mjs";

figureTwoScenarios("control in one process, keys made by the headend", { apart: false, keys: "headend" });
