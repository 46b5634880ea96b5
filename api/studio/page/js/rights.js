// Tells what a session may do, by the scopes of its API key.

/** Returns whether the session may use routes of a scope. Without API keys everybody may. */
export function may(session, scope) {
  if (session.access === "open") return true;
  const own = session.scopes ?? [];
  return own.includes(scope) || (own.includes("admin") && scope !== "operator");
}

/** Returns the scopes that the session's API key can give to other keys. */
export function grantable(session) {
  return ["render", "read", "admin", "operator"].filter((scope) => may(session, scope));
}
