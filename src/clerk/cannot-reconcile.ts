/** A run that must not begin; says to the operator why and what to do. */
export class CannotReconcile extends Error {
  override readonly name = 'CannotReconcile';
}
