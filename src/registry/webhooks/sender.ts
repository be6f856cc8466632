import { createHmac } from "node:crypto";
import { nowMs } from "../../base/clock.ts";
import type { SecretBox } from "../../base/secret-box.ts";
import type { WebhooksConfig } from "../../config/event-keys.ts";
import type { DeliveryRecord } from "../../store/webhook-delivery-records.ts";
import type { WebhookTargetRecord } from "../../store/webhook-records.ts";
import { contentTypes } from "./message.ts";
import { post, type PostEnd } from "./post.ts";

/** Sends one message to its target. */
export type SendDelivery = (
  target: WebhookTargetRecord,
  delivery: Pick<DeliveryRecord, "id" | "action" | "attempt" | "body">,
  signal?: AbortSignal,
) => Promise<PostEnd>;

interface SenderOptions {
  readonly box: SecretBox;
  readonly allow: WebhooksConfig;
  readonly timeoutMs: number;
}

/** Opens what sends messages: it knows the secrets of the targets. */
export function openSender({ box, allow, timeoutMs }: SenderOptions): SendDelivery {
  return async (target, { id, action, attempt, body }, signal) => {
    const { format, authorization } = target;
    const context = sealContext(target.id);
    const secret = box.open(target.secret, context);
    const headers = {
      "content-type": contentTypes[format],
      "user-agent": "Mintmark",
      "mintmark-delivery": id,
      "mintmark-event": action,
      "mintmark-attempt": String(attempt + 1),
      "mintmark-signature": signatureOf(secret, Math.floor(nowMs() / 1000), body),
      ...(authorization === undefined ? {} : { authorization: box.open(authorization, context) }),
    };
    const url = box.open(target.url, context);
    return await post({ url, headers, body, allow, timeoutMs, ...(signal === undefined ? {} : { signal }) });
  };
}

/** What the secrets of a target are sealed for. */
export function sealContext(targetId: string): string {
  return `webhook target ${targetId}`;
}

/**
 * The header by which a receiver knows that a message is ours and new: `t=SECONDS,v1=HEX`.
 *
 * HEX is HMAC-SHA256 with the target's secret over `SECONDS.BODY`.
 */
function signatureOf(secret: string, seconds: number, body: string): string {
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}
