import { debian, openSite, pushImage } from "./site.ts";

// Pushes an image and is gone the moment the push is answered.
const site = await openSite(process.argv[2]!);
const { digest } = await pushImage(site, "team/app", { tag: "1", layers: [debian({ openssl: "3.0.11-1" })] });
process.stdout.write(digest, () => process.kill(process.pid, "SIGKILL"));
