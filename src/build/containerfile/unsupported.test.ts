import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readContainerfile } from "./containerfile.ts";
import { refuseUnsupported } from "./unsupported.ts";

const check = (text: string, buildah: string): void => refuseUnsupported(readContainerfile(text, {}), buildah);

describe("what a sealed build cannot do", () => {
  it("is refused with its line: secrets, and here-documents before Buildah 1.33", () => {
    const heredoc = "FROM a\nRUN true\nRUN <<EOT\necho hi\nEOT\n";
    assert.throws(() => check(heredoc, "1.28.2"), /line 3: Buildah 1\.28\.2 reads no here-documents/);
    assert.throws(() => check("FROM a\nCOPY <<EOT /x\nhi\nEOT\n", "1.28.2"), /line 2/);
    check(heredoc, "1.33.0");
    check(heredoc, "2.0");
    for (const mount of ["type=secret,id=a", "id=a,type=secret", "type=ssh"])
      assert.throws(
        () => check(`FROM a\nRUN --network=none --mount=${mount} true\n`, "1.40.0"),
        /line 2: .*(?:secret|ssh)/,
      );
  });

  it("is nothing that only looks like it", () => {
    check(
      "FROM a\nRUN echo --mount=type=secret\nRUN echo $((1<<2))\nRUN --mount=type=cache,target=/c true\n",
      "1.28.2",
    );
  });
});
