// 64 bits, as most set-tops and many routers have.
import { testsOn } from "./foreign.testkit.mjs";

testsOn("arm64", { isOwnOrder: true });
