// The other byte order: what the kernel is told and tells in numbers of the machine.
import { testsOn } from "./foreign.testkit.mjs";

testsOn("s390x", { isOwnOrder: false });
