// 32 bits: pointers, lengths and times are of another width.
import { testsOn } from "./foreign.testkit.mjs";

testsOn("arm", { isOwnOrder: true });
