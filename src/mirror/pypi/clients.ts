import type { ClientSetup } from "../format.ts";

/**
 * How pip, uv, Poetry and PDM are pointed at an index, and outside of builds twine at its uploads.
 *
 * There is never a second index: a name of ours that somebody else takes there would win by its version.
 */
export function clients({ base, isSealed }: { base: string; isSealed: boolean }): readonly ClientSetup[] {
  const index = `${base}/simple/`;
  const inBuilds = [
    pip(index),
    uv(index),
    { client: "pdm", files: [], environment: { PDM_PYPI_URL: index, PDM_CHECK_UPDATE: "0" } },
  ];
  // Poetry itself takes an index from a project's own file alone; its plugin "pypi-mirror" heeds this.
  const poetryInBuilds = { client: "poetry", files: [], environment: { POETRY_PYPI_MIRROR_URL: index } };
  return isSealed ? [...inBuilds, poetryInBuilds] : [...inBuilds, poetry(index), twine(`${base}/legacy/`)];
}

function pip(index: string): ClientSetup {
  const { hostname, protocol } = new URL(index);
  const isPlain = protocol === "http:";
  const settings = [
    `index-url = ${index}`,
    ...(isPlain ? [`trusted-host = ${hostname}`] : []),
    "disable-pip-version-check = true",
  ];
  return {
    client: "pip",
    files: [{ path: "~/.config/pip/pip.conf", content: lines(["[global]", ...settings]) }],
    environment: {
      PIP_INDEX_URL: index,
      ...(isPlain ? { PIP_TRUSTED_HOST: hostname } : {}),
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
    },
  };
}

function uv(index: string): ClientSetup {
  const { host, protocol } = new URL(index);
  const isPlain = protocol === "http:";
  const insecure = isPlain ? [`allow-insecure-host = ["${host}"]`, ""] : [];
  return {
    client: "uv",
    files: [
      {
        path: "~/.config/uv/uv.toml",
        content: lines([...insecure, "[[index]]", `url = "${index}"`, "default = true"]),
      },
    ],
    environment: { UV_DEFAULT_INDEX: index, ...(isPlain ? { UV_INSECURE_HOST: host } : {}) },
  };
}

function poetry(index: string): ClientSetup {
  const source = ["[[tool.poetry.source]]", 'name = "mirror"', `url = "${index}"`, 'priority = "primary"'];
  return { client: "poetry", files: [{ path: "pyproject.toml", content: lines(source) }], environment: {} };
}

function twine(place: string): ClientSetup {
  const settings = ["[distutils]", "index-servers = mirror", "", "[mirror]", `repository = ${place}`];
  return {
    client: "twine",
    files: [{ path: "~/.pypirc", content: lines(settings) }],
    environment: { TWINE_REPOSITORY_URL: place },
  };
}

function lines(items: readonly string[]): string {
  return `${items.join("\n")}\n`;
}
