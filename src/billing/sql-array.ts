/** As PostgreSQL reads an array (its manual, section 8.15.2): the ORM would write out the members. */
export function sqlArray(values: (string | null)[]): string {
  const quoted = (value: string) => `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  return `{${values.map((value) => (value === null ? 'null' : quoted(value))).join(',')}}`;
}
