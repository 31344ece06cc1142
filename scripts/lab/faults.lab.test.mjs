// Power cuts and kills with `control` in one process.
import { faultScenarios } from "./faults.mjs";

faultScenarios(false);
