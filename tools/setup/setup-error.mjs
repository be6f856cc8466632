/** A set-up that cannot go on, with what the reader can do about it. */
export class SetupError extends Error {
  constructor(message, hints) {
    super(message);
    this.hints = hints;
  }
}
