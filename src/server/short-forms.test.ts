import assert from "node:assert/strict";
import { test } from "node:test";
import { expandShortForm } from "./short-forms.ts";

test("expands what belongs to the API and leaves all else", () => {
  for (const url of ["/images", "/images?limit=1", "/health", "/metrics", "/v2x", "/apis", "/nothing"])
    assert.equal(expandShortForm(url), `/api/v1${url}`);
  for (const url of [
    "/",
    "/?x",
    "/v2",
    "/v2/",
    "/v2/_catalog",
    "/api",
    "/api/v1/images",
    "/api/v2.0/projects",
    "/auth/oidc",
    "/service/token",
    "/openapi.json",
    "*",
  ])
    assert.equal(expandShortForm(url), url);
});
