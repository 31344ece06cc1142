// The same with key server and reception server apart; and the broker between them goes away.
import { faultScenarios } from "./faults.mjs";

faultScenarios(true);
