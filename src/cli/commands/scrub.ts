import { errorCodes } from "../../base/error-codes.ts";
import { Failure } from "../../base/errors.ts";
import { examples, type Define } from "../command.ts";
import { showBytes } from "../output/amounts.ts";
import { runJob } from "../run-job.ts";
import { withClient } from "../session.ts";

interface Options {
  readonly from?: string;
  readonly rate?: string;
}

/** What the scrub job gives; see `ScrubReport` of the registry. */
interface Report {
  readonly checkedBlobs: number;
  readonly checkedBytes: number;
  readonly damaged: readonly string[];
  readonly missing: readonly string[];
  readonly repaired: readonly string[];
  readonly lost: readonly string[];
}

/** `mintmark scrub`: reads every blob again, and repairs what it can. */
export const define: Define = (command, run) => {
  command
    .option("--from <url>", "a registry that has the same repositories, to fetch damaged blobs from")
    .option("--rate <megabytes>", "megabytes a second that are read at most")
    .addHelpText(
      "after",
      examples(
        ["mintmark scrub", "exit code 5 where something is damaged and nobody gave it back"],
        ["mintmark scrub --from https://other.example", "repair from another registry"],
      ),
    )
    .action(
      run((context, _args, { from, rate }: Options) =>
        withClient(context, async ({ client }) => {
          const { terminal, flags } = context;
          const { id } = await client.startScrub({
            ...(from === undefined ? {} : { from }),
            ...(rate === undefined ? {} : { megabytesPerSecond: rateOf(rate) }),
          });
          const report = (await runJob(context, client, id, { onInterrupt: "cancel" })).output as Report;
          if (flags.json === true) terminal.out(JSON.stringify(report, null, 2));
          else {
            terminal.out(`${report.checkedBlobs} blobs read, ${showBytes(report.checkedBytes)}`);
            for (const name of ["damaged", "missing", "repaired", "lost"] as const)
              if (report[name].length > 0) terminal.out(`${name}: ${report[name].join(", ")}`);
          }
          return report.lost.length === 0 ? 0 : errorCodes.digest_mismatch.exit;
        }),
      ),
    );
};

function rateOf(text: string): number {
  const rate = Number(text);
  if (rate >= 0.1) return rate;
  throw new Failure("usage", `Cannot read ${text} megabytes a second: it is not a number of at least 0.1`);
}
