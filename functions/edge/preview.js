// Answers /_preview/* where previews have no names of their own: the link to one leaves a cookie that viewer_request.js understands,
// /_preview/ takes it back. A label is what the preview's host would begin with.
// `__Host-` keeps the cookie to this very host and to TLS (RFC 6265bis, section 4.1.3.2); it goes when the browser is closed.
function handler(event) {
  const found = /^\/_preview\/([a-z0-9-]{1,31}--[a-z0-9-]{1,30}|)$/.exec(event.request.uri);
  const headers = { 'cache-control': { value: 'no-store' }, 'x-robots-tag': { value: 'noindex' } };
  // In njs `$` stands before a final line end as well.
  if (!found || found[0] !== event.request.uri) {
    headers['content-type'] = { value: 'text/plain' };
    return { statusCode: 404, headers: headers, body: { encoding: 'text', data: '404 Not Found\n' } };
  }
  headers.location = { value: '/' };
  const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax' + (found[1] ? '' : '; Max-Age=0');
  return { statusCode: 302, headers: headers, cookies: { '__Host-preview': { value: found[1], attributes: attributes } } };
}
