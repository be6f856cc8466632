import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Failure } from "../../base/errors.ts";
import type { Image } from "../../client/api-types.ts";
import { stepNames } from "../../model/progress.ts";
import { endOf } from "../end-instant.ts";
import { showAmount, showBytes, showDuration } from "./amounts.ts";
import { printFailure } from "./failure-lines.ts";
import { imageSummary } from "./image-summary.ts";
import { openProgress } from "./progress.ts";
import { cut, pairLines, tableLines } from "./table.ts";
import { openTerminal, printable, widthOf, type Terminal } from "./terminal.ts";

function terminalFor(
  options: { isLive?: boolean; columns?: number; environment?: Record<string, string>; color?: boolean } = {},
): Terminal & { text: string } {
  const screen = {
    text: "",
    isTTY: options.isLive ?? false,
    columns: options.columns ?? 80,
    write: (part: string) => (screen.text += part),
  };
  const terminal = openTerminal({
    stdout: screen,
    stderr: screen,
    environment: options.environment ?? {},
    color: options.color ?? true,
    quiet: false,
  });
  return Object.defineProperty(terminal, "text", { get: () => screen.text }) as Terminal & { text: string };
}

const plain = terminalFor().paint;
const digest = `sha256:${"a".repeat(64)}` as const;
const image: Image = {
  digest,
  repository: "base",
  tags: ["latest"],
  recipe: "base",
  distribution: "debian:12",
  architecture: "amd64",
  builtAt: "2026-01-02T03:04:05Z",
  sizeBytes: 203 * 2 ** 20,
  unpackedBytes: 598 * 2 ** 20,
  layerCount: 41,
  packageCount: 197,
  severities: { critical: 0, high: 2, medium: 0, low: 1, negligible: 0, unknown: 0 },
  verdict: "pass",
  signed: true,
  evidence: [{ kind: "sbom", digest }],
  lockDigest: digest,
  durations: Object.fromEntries(stepNames.map((step) => [step, step === "fetch" ? 4200 : 10])) as Image["durations"],
  reproduced: "yes",
};

describe("terminal", () => {
  test("has colours on a screen only, and never against NO_COLOR, TERM=dumb or --no-color", () => {
    const bad = (options: Parameters<typeof terminalFor>[0]): string => terminalFor(options).paint.bad("x");
    assert.equal(bad({ isLive: true }), "\u001b[31mx\u001b[0m");
    for (const options of [
      {},
      { isLive: true, environment: { NO_COLOR: "1" } },
      { isLive: true, environment: { TERM: "dumb" } },
      { isLive: true, color: false },
    ])
      assert.equal(bad(options), "x");
  });

  test("lets no control character of others through", () => {
    assert.equal(printable("a\u001b[2Jb\u0007c\rd\u009b1m\ne"), "abcd1m\ne");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) =>
        Array.from(printable(text)).every(
          (char) => char === "\t" || char === "\n" || (char >= " " && !(char >= "\u007f" && char <= "\u009f")),
        ),
      ),
    );
  });
});

describe("tables", () => {
  test("line columns up whatever their colours", () => {
    const lines = tableLines(
      ["A", "LONG"],
      [
        ["\u001b[31mxyz\u001b[0m", "1"],
        ["x", "22"],
      ],
      plain,
    );
    assert.deepEqual(lines.map(printable), ["A    LONG", "xyz  1", "x    22"]);
    assert.deepEqual(
      pairLines(
        [
          ["a", "1"],
          ["bcd", "2"],
        ],
        plain,
      ),
      ["a    1", "bcd  2"],
    );
  });

  test("cut never exceeds its width", () => {
    fc.assert(fc.property(fc.string(), fc.nat(50), (text, width) => widthOf(cut(text, width)) <= Math.max(width, 1)));
    assert.equal(cut("abcdef", 4), "abc…");
  });
});

describe("amounts", () => {
  test("are in the unit that fits", () => {
    assert.deepEqual([0, 1023, 1024, 1536, 2 ** 30, 2 ** 50].map(showBytes), [
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 KiB",
      "1.0 GiB",
      "1024 TiB",
    ]);
    assert.deepEqual([0, 999, 1500, 59_940, 185_000].map(showDuration), [
      "0 ms",
      "999 ms",
      "1.5 s",
      "59.9 s",
      "3 min 05 s",
    ]);
    assert.equal(showAmount(3, 10, "packages"), "3/10 packages");
    assert.equal(showAmount(1024, 2048, "bytes"), "1.0 KiB of 2.0 KiB");
  });

  test("ends are spans, dates or instants", () => {
    assert.equal(endOf("2026-12-31"), "2026-12-31T23:59:59Z");
    assert.equal(endOf("2026-12-31T10:00:00+02:00"), "2026-12-31T08:00:00Z");
    assert.match(endOf("30d"), /^\d{4}-\d{2}-\d{2}T/);
    for (const text of ["", "soon", "2026-13-45", "2027-02-31", "30", "2026"])
      assert.throws(() => endOf(text), /Cannot read the end/);
  });
});

describe("progress", () => {
  test("is one plain line a change where nothing can be redrawn", () => {
    const terminal = terminalFor();
    const view = openProgress(terminal, false);
    view.show({ kind: "step-started", step: "fetch" });
    view.show({ kind: "step-progress", step: "fetch", done: 1, total: 2, unit: "packages" });
    view.show({ kind: "log", step: "fetch", line: "noise" });
    view.show({ kind: "step-finished", step: "fetch", durationMs: 1500, reused: false, summary: "197 packages" });
    view.show({ kind: "step-finished", step: "layers", durationMs: 5, reused: true, summary: "41 layers" });
    view.close();
    assert.equal(terminal.text, "fetch: started\nfetch: 197 packages (1.5 s)\nlayers: 41 layers (reused, 5 ms)\n");
  });

  test("says now and then what a long step is doing where nothing can be redrawn", (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const terminal = terminalFor();
    const view = openProgress(terminal, false);
    t.mock.timers.tick(60_000);
    view.show({ kind: "step-started", step: "resolve" });
    view.show({ kind: "step-progress", step: "resolve", done: 2, total: 7, unit: "instructions", note: "RUN pip" });
    view.show({ kind: "log", step: "resolve", line: "Collecting torch\u001b[2J" });
    t.mock.timers.tick(30_000);
    view.show({ kind: "step-finished", step: "resolve", durationMs: 1500, reused: false, summary: "313 requests" });
    t.mock.timers.tick(60_000);
    view.close();
    const [, reminder = "", ...rest] = terminal.text.split("\n");
    assert.match(reminder, /^resolve: 2\/7 instructions, \d+ ms: Collecting torch/);
    assert.ok(!reminder.includes("\u001b"));
    assert.deepEqual(rest, ["resolve: 313 requests (1.5 s)", ""]);
  });

  test("is one live line a step on a screen, never wider than it", async () => {
    const terminal = terminalFor({ isLive: true, columns: 60 });
    const view = openProgress(terminal, false);
    view.show({ kind: "step-started", step: "fetch" });
    view.show({
      kind: "step-progress",
      step: "fetch",
      done: 98,
      total: 197,
      unit: "packages",
      note: "\u001b[2Jhostile ".repeat(20),
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    view.show({ kind: "step-finished", step: "fetch", durationMs: 1500, reused: false, summary: "197 packages" });
    view.close();
    assert.ok(!terminal.text.includes("\u001b[2J"));
    assert.match(printable(terminal.text), /98\/197 packages/);
    for (const line of terminal.text.replaceAll("\r\u001b[K", "\n").split("\n")) assert.ok(widthOf(line) < 60, line);
    assert.match(terminal.text, /✓.*fetch.*197 packages.*1\.5 s.*\n$/);
  });

  test("is silent where quiet", () => {
    const terminal = terminalFor({ isLive: true });
    const view = openProgress(terminal, true);
    view.show({ kind: "step-started", step: "fetch" });
    view.close();
    assert.equal(terminal.text, "");
  });
});

describe("summary of an image", () => {
  test("has the facts and the exact lines to use it", () => {
    const text = imageSummary(image, {
      url: "http://127.0.0.1:5080",
      keyPath: "/data dir/keys/release.pub",
      paint: plain,
    });
    for (const part of [
      digest,
      "203 MiB to pull, 598 MiB unpacked, 41 layers",
      "2 high, 1 low",
      "fetch 4.2 s",
      `podman pull --tls-verify=false 127.0.0.1:5080/base@${digest}`,
      `cosign verify --key '/data dir/keys/release.pub' --insecure-ignore-tlog=true --allow-http-registry=true 127.0.0.1:5080/base@${digest}`,
      `skopeo inspect --tls-verify=false docker://127.0.0.1:5080/base@${digest}`,
      "http://127.0.0.1:5080/api",
    ])
      assert.ok(text.includes(part), part);
  });

  test("leaves plain-HTTP flags out for HTTPS, and the lines where nothing serves", () => {
    const secure = imageSummary(image, { url: "https://mint.test", keyPath: "/k", paint: plain });
    assert.ok(secure.includes(`podman pull mint.test/base@${digest}`));
    assert.ok(!secure.includes("allow-http"));
    assert.ok(!imageSummary(image, { url: undefined, keyPath: "/k", paint: plain }).includes("podman"));
  });
});

test("failures are two lines with the exit code of their table row", () => {
  const terminal = terminalFor();
  assert.equal(printFailure(new Failure("gate_denied", 'Cannot publish "x": denied', { hint: "Fix it" }), terminal), 4);
  assert.equal(terminal.text, 'error: Cannot publish "x": denied\nhint:  Fix it\n');
  assert.equal(printFailure(new Error("boom"), terminalFor()), 1);
});
