import { run } from "../../src/base/child.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { writeZip } from "../../src/base/zip.fixture.ts";
import type { TestUpstream } from "../../src/mirror/test-mirror.ts";

/** This machine's Python with pip, and the index that its pip uses. */
export async function machinePython(): Promise<{ python: string; index: string } | undefined> {
  const env = process.env as Record<string, string>;
  const code = [
    "import subprocess, sys",
    "from pip._internal.models.index import PyPI",
    'said = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)',
    "print(sys.executable)",
    "print(said.stdout.strip() or PyPI.simple_url)",
  ].join("\n");
  const asked = await run("python3", ["-c", code], { env }).catch(() => undefined);
  const [python = "", index = ""] = asked?.code === 0 ? asked.stdout.trim().split("\n") : [];
  return /^https?:/.test(index) ? { python, index: `${index.replace(/\/$/, "")}/` } : undefined;
}

/** A wheel with one module that says its version. */
export function wheel(project: string, version: string, more = ""): Buffer {
  const module = project.replaceAll("-", "_");
  const folder = `${module}-${version}.dist-info`;
  const names = [`${module}/__init__.py`, `${folder}/METADATA`, `${folder}/WHEEL`, `${folder}/RECORD`];
  return writeZip(
    [
      [names[0]!, `version = "${version}"\n${more}`],
      [names[1]!, `Metadata-Version: 2.1\nName: ${project}\nVersion: ${version}\n`],
      [names[2]!, "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"],
      [names[3]!, names.map((name) => `${name},,\n`).join("")],
    ],
    { deflate: true, wide: false },
  );
}

interface OfferedWheel {
  readonly version: string;
  readonly bytes: Buffer;
  /** The digest is of these. */
  readonly promised: Buffer;
}

/** Puts a project on an upstream of a test, whose pages are HTML with relative links below an odd root, `whl/cpu/`. */
export function offerWheels(upstream: TestUpstream, project: string, ...offered: readonly OfferedWheel[]): void {
  const fileOf = ({ version }: OfferedWheel): string => `${project.replaceAll("-", "_")}-${version}-py3-none-any.whl`;
  const links = offered.map((one) => {
    const file = fileOf(one);
    return `<a href="../files/${file}#sha256=${sha256Hex(one.promised)}">${file}</a>`;
  });
  upstream.routes.set(`/whl/cpu/${project}/`, (_request, response) => {
    const page = `<!DOCTYPE html><html><body>${links.join("\n")}</body></html>`;
    response.writeHead(200, { "content-type": "text/html" }).end(page);
  });
  for (const one of offered) upstream.routes.set(`/whl/cpu/files/${fileOf(one)}`, one.bytes);
}
