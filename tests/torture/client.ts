import assert from "node:assert/strict";
import {
  imageOf,
  indexOf,
  type KnownBlob,
  type KnownManifest,
  reachable,
  signatureTag,
  someBlobs,
  unitOf,
} from "./images.ts";
import type { Random } from "./random.ts";
import type { KillableServer } from "./server.ts";
import { api, ApiRefusal, send, ServerGone, type Told } from "./wire.ts";

/** How collections are asked for in a round, and what may therefore be counted on. */
export type Mode = "harsh" | "trash" | "gentle";

/** What all clients of a run share. */
export interface World {
  readonly seed: number;
  readonly poolSize: number;
  /** Every manifest that was ever made, by digest. */
  readonly known: Map<string, KnownManifest>;
  readonly blobs: Map<string, Buffer>;
  readonly repositories: readonly string[];
  readonly counts: Record<string, number>;
}

/** One repository as its only writer believes it to be. */
interface Shelf {
  readonly name: string;
  /** Tags as acknowledged. */
  readonly tags: Map<string, string>;
  /** Manifests that must be there. */
  readonly manifests: Map<string, KnownManifest>;
  /** What a tag may point to besides, since an answer was lost: undefined for nothing. */
  readonly doubts: Map<string, Set<string | undefined>>;
}

const tagNames = ["t0", "t1", "t2", "t3"];
/** Tries of a push where collections without any grace may take the parts meanwhile. */
const triesMax = 12;

/** A client that owns repositories and remembers what it was promised. */
export class Client {
  readonly #world: World;
  readonly #random: Random;
  readonly #shelves: readonly Shelf[];
  #salt = 0;
  readonly #name: string;
  /** What was promised in this round besides what tags reach; nothing of it may go while collections are gentle. */
  #fresh: { readonly repository: string; readonly path: string }[] = [];

  constructor(world: World, name: string, random: Random) {
    this.#world = world;
    this.#name = name;
    this.#random = random;
    this.#shelves = world.repositories
      .filter((repository) => repository.startsWith(`${name}/`))
      .map((repository) => ({ name: repository, tags: new Map(), manifests: new Map(), doubts: new Map() }));
  }

  /** Does random things for as long as `isGoing` says so of how many are done, or until the server is gone. */
  async work(server: KillableServer, mode: Mode, isGoing: (done: number) => boolean): Promise<void> {
    this.#fresh = [];
    try {
      for (let done = 0; isGoing(done); done++) await this.#act(server, mode);
    } catch (error) {
      if (!(error instanceof ServerGone)) throw error;
    }
  }

  /** Finds out what became of what was asked last, and that nothing else changed. @throws ServerGone */
  async settle(server: KillableServer): Promise<void> {
    for (const shelf of this.#shelves) {
      for (const tag of tagNames) {
        const told = await send(server, { method: "HEAD", path: `/v2/${shelf.name}/manifests/${tag}` });
        const actual = told.status === 200 ? told.headers.get("docker-content-digest")! : undefined;
        const allowed = new Set([shelf.tags.get(tag), ...(shelf.doubts.get(tag) ?? [])]);
        assert.ok(allowed.has(actual), `${shelf.name}:${tag} is ${actual}, not ${[...allowed].join(" or ")}`);
        if (actual === undefined) shelf.tags.delete(tag);
        else this.#believe(shelf, tag, actual);
      }
      shelf.doubts.clear();
      prune(shelf);
    }
  }

  /** Pulls what was acknowledged byte for byte; all of it, or a part. */
  async verify(server: KillableServer, percent: number): Promise<number> {
    let count = 0;
    for (const shelf of this.#shelves)
      for (const digest of reachable(shelf))
        if (this.#random.chance(percent)) {
          await this.#pull(server, shelf.name, this.#world.known.get(digest)!);
          count += 1;
        }
    return count;
  }

  /** What was promised in a gentle round is there still, named or not. */
  async verifyFresh(server: KillableServer): Promise<void> {
    for (const { repository, path } of this.#fresh) {
      const told = await send(server, { method: "HEAD", path: `/v2/${repository}/${path}` });
      assert.equal(told.status, 200, `${repository}/${path} went although it was fresh`);
    }
  }

  async #act(server: KillableServer, mode: Mode): Promise<void> {
    const random = this.#random;
    const shelf = random.pick(this.#shelves);
    const dice = random.below(100);
    const act = (name: string): void => void (this.#world.counts[name] = (this.#world.counts[name] ?? 0) + 1);
    if (dice < 30) return (act("push"), await this.#pushTagged(server, { shelf, mode }));
    if (dice < 42) return (act("index"), await this.#pushIndex(server, { shelf, mode }));
    if (dice < 52) return (act("attach"), await this.#attach(server, { shelf, mode }));
    if (dice < 60) return (act("push by digest"), await this.#pushLoose(server, { shelf, mode }));
    if (dice < 68) return (act("delete tag"), await this.#deleteTag(server, shelf));
    if (dice < 76) return (act("delete image"), await this.#deleteImage(server, { shelf, mode }));
    if (dice < 80) return (act("delete blob"), await this.#deleteBlob(server, { shelf, mode }));
    if (dice < 86) return (act("restore"), await this.#restore(server, shelf));
    if (dice < 90) return (act("abandon"), await this.#abandon(server, shelf));
    act("pull");
    const some = [...reachable(shelf)];
    if (some.length > 0) await this.#pull(server, shelf.name, this.#world.known.get(random.pick(some))!);
  }

  async #pushTagged(server: KillableServer, { shelf, mode }: Place): Promise<void> {
    const blobs = someBlobs(this.#random, this.#world.seed, this.#world.poolSize);
    // Now and then the very image that another push made, so that digests meet.
    const image = this.#know(imageOf(blobs, { salt: this.#random.chance(40) ? "same" : this.#newSalt() }));
    await this.#put(server, {
      shelf,
      mode,
      image,
      tag: this.#random.pick(tagNames),
      parts: async () => await this.#pushBlobs(server, { shelf, mode }, blobs),
    });
  }

  async #pushLoose(server: KillableServer, { shelf, mode }: Place): Promise<void> {
    const blobs = someBlobs(this.#random, this.#world.seed, this.#world.poolSize);
    const image = this.#know(imageOf(blobs, { salt: this.#newSalt() }));
    await this.#put(server, {
      shelf,
      mode,
      image,
      tag: undefined,
      parts: async () => await this.#pushBlobs(server, { shelf, mode }, blobs),
    });
    this.#fresh.push({ repository: shelf.name, path: `manifests/${image.digest}` });
  }

  async #pushIndex(server: KillableServer, { shelf, mode }: Place): Promise<void> {
    const children = Array.from({ length: 1 + this.#random.below(3) }, () => {
      const blobs = someBlobs(this.#random, this.#world.seed, this.#world.poolSize);
      return { blobs, image: this.#know(imageOf(blobs, { salt: this.#random.chance(30) ? "same" : this.#newSalt() })) };
    });
    const image = this.#know(
      indexOf(
        children.map((child) => child.image),
        this.#newSalt(),
      ),
    );
    const parts = async (): Promise<void> => {
      for (const child of children)
        await this.#put(server, {
          shelf,
          mode,
          image: child.image,
          tag: undefined,
          parts: async () => await this.#pushBlobs(server, { shelf, mode }, child.blobs),
        });
    };
    await this.#put(server, { shelf, mode, image, tag: this.#random.pick(tagNames), parts });
  }

  /** A referrer by subject, or a signature by tag, to something that a tag reaches. */
  async #attach(server: KillableServer, { shelf, mode }: Place): Promise<void> {
    const some = [...reachable(shelf)];
    if (some.length === 0) return;
    const subject = this.#world.known.get(this.#random.pick(some))!;
    const blobs = someBlobs(this.#random, this.#world.seed, this.#world.poolSize);
    const bySubject = this.#random.chance(60);
    const image = this.#know(imageOf(blobs, { subject: bySubject ? subject : undefined, salt: this.#newSalt() }));
    const tag = bySubject ? undefined : signatureTag(subject.digest);
    // Should the answer be lost, nothing is counted on: whether it is there or not is both right.
    const before = tag === undefined ? undefined : shelf.tags.get(tag);
    if (tag !== undefined) shelf.tags.delete(tag);
    const push = { shelf, mode, image, parts: async () => await this.#pushBlobs(server, { shelf, mode }, blobs) };
    await this.#put(server, { ...push, tag });
    shelf.manifests.set(image.digest, image);
    if (before !== undefined) prune(shelf);
    // A name of its own keeps what it is attached to, once nothing else does.
    if (this.#random.chance(40)) await this.#put(server, { ...push, tag: this.#random.pick(tagNames) });
  }

  async #put(server: KillableServer, push: Push): Promise<void> {
    const { shelf, mode, image, tag, parts } = push;
    for (let tries = 1; ; tries++) {
      await parts();
      // In doubt until the answer is here.
      const isName = tag !== undefined && tagNames.includes(tag);
      if (isName) doubt(shelf, tag, image.digest);
      const told = await send(server, {
        method: "PUT",
        path: `/v2/${shelf.name}/manifests/${tag ?? image.digest}`,
        body: image.text,
        headers: { "content-type": image.mediaType },
      });
      if (told.status === 201) {
        if (isName) shelf.doubts.delete(tag);
        if (tag !== undefined) this.#believe(shelf, tag, image.digest);
        prune(shelf);
        return;
      }
      assert.match(told.bytes.toString(), /MANIFEST_BLOB_UNKNOWN/, "a manifest was refused");
      assert.equal(mode, "harsh", `parts went although they were fresh: ${told.bytes.toString()}`);
      assert.ok(tries < triesMax, "a push never came through");
      this.#world.counts["pushes that lost their parts"] =
        (this.#world.counts["pushes that lost their parts"] ?? 0) + 1;
    }
  }

  async #pushBlobs(server: KillableServer, { shelf }: Place, blobs: readonly KnownBlob[]): Promise<void> {
    for (const blob of blobs) {
      this.#world.blobs.set(blob.digest, blob.bytes);
      const path = `/v2/${shelf.name}/blobs/${blob.digest}`;
      if (this.#random.chance(70) && (await send(server, { method: "HEAD", path })).status === 200) continue;
      await this.#pushBlob(server, shelf, blob);
      this.#fresh.push({ repository: shelf.name, path: `blobs/${blob.digest}` });
    }
  }

  async #pushBlob(server: KillableServer, shelf: Shelf, blob: KnownBlob): Promise<void> {
    const base = `/v2/${shelf.name}/blobs/uploads/`;
    const way = this.#random.below(4);
    if (way === 0) {
      const path = `${base}?digest=${blob.digest}`;
      const told = await send(server, { method: "POST", path, body: blob.bytes });
      return assert.equal(told.status, 201, told.bytes.toString());
    }
    const mount = `?mount=${blob.digest}&from=${this.#random.pick(this.#world.repositories)}`;
    const begun = await send(server, { method: "POST", path: way === 1 ? base + mount : base });
    if (begun.status === 201) return;
    assert.equal(begun.status, 202, begun.bytes.toString());
    const told = await this.#finish(server, begun.headers.get("location")!, blob);
    // A collection without any grace takes uploads too.
    if (told.status === 404 || told.status === 409) return await this.#pushBlob(server, shelf, blob);
    assert.equal(told.status, 201, told.bytes.toString());
  }

  async #finish(server: KillableServer, location: string, blob: KnownBlob): Promise<Told> {
    const half = this.#random.chance(50) ? Math.floor(blob.bytes.length / 2) : 0;
    if (half > 0) {
      const told = await send(server, { method: "PATCH", path: location, body: blob.bytes.subarray(0, half) });
      if (told.status === 404 || told.status === 409) return told;
      assert.equal(told.status, 202, told.bytes.toString());
    }
    return await send(server, {
      method: "PUT",
      path: `${location}?digest=${blob.digest}`,
      body: blob.bytes.subarray(half),
    });
  }

  async #deleteTag(server: KillableServer, shelf: Shelf): Promise<void> {
    const tag = this.#random.pick(tagNames);
    if (!shelf.tags.has(tag)) return;
    doubt(shelf, tag, undefined);
    const told = await send(server, { method: "DELETE", path: `/v2/${shelf.name}/manifests/${tag}` });
    assert.equal(told.status, 202, told.bytes.toString());
    shelf.doubts.delete(tag);
    shelf.tags.delete(tag);
    prune(shelf);
  }

  async #deleteImage(server: KillableServer, { shelf, mode }: Place): Promise<void> {
    // What is fresh must not go in such a round, not even by what it is attached to.
    if (mode === "gentle") return;
    const tag = this.#random.pick(tagNames);
    const digest = shelf.tags.get(tag);
    if (digest === undefined) return;
    const unit = unitOf(shelf, digest);
    const going = [...shelf.tags].flatMap(([name, target]) => (unit.has(target) ? [name] : []));
    for (const name of going) doubt(shelf, name, undefined);
    const told = await send(server, { method: "DELETE", path: `/v2/${shelf.name}/manifests/${digest}` });
    for (const name of going) shelf.doubts.delete(name);
    if (told.status === 405) return;
    assert.equal(told.status, 202, told.bytes.toString());
    for (const name of going) shelf.tags.delete(name);
    for (const member of unit) shelf.manifests.delete(member);
    prune(shelf);
  }

  async #deleteBlob(server: KillableServer, { shelf, mode }: Place): Promise<void> {
    if (mode === "gentle") return;
    const [blob] = someBlobs(this.#random, this.#world.seed, this.#world.poolSize);
    const isNamed = [...reachable(shelf)].some((digest) => this.#world.known.get(digest)!.blobs.includes(blob!.digest));
    const told = await send(server, { method: "DELETE", path: `/v2/${shelf.name}/blobs/${blob!.digest}` });
    assert.ok(isNamed ? told.status === 405 : [202, 404, 405].includes(told.status), `${told.status}`);
  }

  async #restore(server: KillableServer, shelf: Shelf): Promise<void> {
    const trash = await api<{ manifests: Trashed[] }>(server, "GET", "/gc/trash");
    const mine = trash.manifests.filter(({ repository }) => repository === shelf.name);
    if (mine.length === 0) return;
    const { digest, unit } = this.#random.pick(mine);
    for (const one of mine)
      for (const tag of one.tags) if (one.unit === unit && tagNames.includes(tag)) doubt(shelf, tag, one.digest);
    try {
      const restored = await api<{ tags: string[]; digests: string[] }>(server, "POST", "/gc/restore", {
        digest,
        repository: shelf.name,
      });
      for (const one of restored.digests) this.#believeManifest(shelf, one);
      this.#world.counts["restored"] = (this.#world.counts["restored"] ?? 0) + 1;
      for (const tag of restored.tags) {
        const told = await send(server, { method: "HEAD", path: `/v2/${shelf.name}/manifests/${tag}` });
        // A tag that only attaches goes with what it attaches to.
        if (told.status === 404 && !tagNames.includes(tag)) continue;
        assert.equal(told.status, 200, `${tag} was restored but is not there`);
        const now = told.headers.get("docker-content-digest")!;
        assert.ok(restored.digests.includes(now), `${tag} came back to something else`);
        this.#believe(shelf, tag, now);
      }
    } catch (error) {
      // Another collection may have emptied the trash since it was listed.
      if (!(error instanceof ApiRefusal && error.status === 404)) throw error;
    }
    shelf.doubts.clear();
    prune(shelf);
  }

  async #abandon(server: KillableServer, shelf: Shelf): Promise<void> {
    const begun = await send(server, { method: "POST", path: `/v2/${shelf.name}/blobs/uploads/` });
    assert.equal(begun.status, 202);
    if (this.#random.chance(50))
      await send(server, { method: "PATCH", path: begun.headers.get("location")!, body: Buffer.alloc(100) });
  }

  async #pull(server: KillableServer, repository: string, image: KnownManifest): Promise<void> {
    const told = await send(server, { method: "GET", path: `/v2/${repository}/manifests/${image.digest}` });
    assert.equal(
      told.status,
      200,
      `the acknowledged manifest ${image.digest} of ${repository}: ${told.bytes.toString()}`,
    );
    assert.equal(told.bytes.toString(), image.text);
    for (const digest of image.blobs) {
      const blob = await send(server, { method: "GET", path: `/v2/${repository}/blobs/${digest}` });
      assert.equal(blob.status, 200, `the blob ${digest} of the acknowledged ${image.digest} in ${repository}`);
      assert.ok(blob.bytes.equals(this.#world.blobs.get(digest)!), `the bytes of ${digest}`);
    }
  }

  #believe(shelf: Shelf, tag: string, digest: string): void {
    shelf.tags.set(tag, digest);
    this.#believeManifest(shelf, digest);
  }

  /** A manifest that is there has its children. */
  #believeManifest(shelf: Shelf, digest: string): void {
    const manifest = this.#world.known.get(digest);
    assert.ok(manifest !== undefined, `nobody ever made ${digest}`);
    shelf.manifests.set(digest, manifest);
    for (const child of manifest.children) this.#believeManifest(shelf, child);
  }

  #know(manifest: KnownManifest): KnownManifest {
    this.#world.known.set(manifest.digest, manifest);
    return manifest;
  }

  #newSalt(): string {
    this.#salt += 1;
    return `${this.#name} ${this.#salt}`;
  }
}

interface Place {
  readonly shelf: Shelf;
  readonly mode: Mode;
}

interface Push extends Place {
  readonly image: KnownManifest;
  readonly tag: string | undefined;
  /** Brings everything that the image consists of. */
  readonly parts: () => Promise<void>;
}

interface Trashed {
  readonly repository: string;
  readonly digest: string;
  readonly unit: string;
  readonly tags: readonly string[];
}

function doubt(shelf: Shelf, tag: string, digest: string | undefined): void {
  const doubts = shelf.doubts.get(tag) ?? new Set();
  shelf.doubts.set(tag, doubts.add(digest));
}

/** What no tag reaches any more may go at any moment: nothing is counted on, also not if a tag comes back to it. */
function prune(shelf: Shelf): void {
  const reached = reachable(shelf);
  for (const digest of shelf.manifests.keys()) if (!reached.has(digest)) shelf.manifests.delete(digest);
  for (const [tag, digest] of shelf.tags) if (!reached.has(digest) && !tagNames.includes(tag)) shelf.tags.delete(tag);
  for (const tag of shelf.tags.keys()) {
    const subject = /^sha256-([0-9a-f]{64})\.sig$/.exec(tag)?.[1];
    if (subject !== undefined && !reached.has(`sha256:${subject}`)) shelf.tags.delete(tag);
  }
}
