// Turns the metadata that travels with a blob into what a visitor sees, and takes away what only the edge needs.
// x-amz-meta-edge: {"c": Cache-Control for browsers, "s": status instead of 200, "h": {header: value, '' = do not send}}
const DEFAULTS = {
  'strict-transport-security': 'max-age=31536000',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'strict-origin-when-cross-origin',
};

function isPreviewHost(request) {
  const label = request.headers.host ? request.headers.host.value.split('.')[0] : '';
  return label.indexOf('--') > 0 && label.slice(0, 4) !== 'xn--';
}

function handler(event) {
  const response = event.response;
  const headers = response.headers;
  const isOurs = headers['x-amz-meta-edge'];

  for (const name in headers) {
    if (name.slice(0, 6) === 'x-amz-' && name.slice(0, 9) !== 'x-amz-cf-') delete headers[name];
  }
  // What another origin answers, by a rule of the site, keeps its own headers.
  if (isOurs) dress(event, headers, JSON.parse(isOurs.value));
  // Where a cookie shows a preview, the same address shows others something else.
  const isByCookie = (event.request.cookies || {})['__Host-preview'];
  if (isByCookie) headers['cache-control'] = { value: 'private, no-store' };
  // A preview's service worker would stay in the browser, and answer for the site itself once the cookie is gone.
  if (isByCookie && event.request.headers['service-worker']) {
    response.statusCode = 403;
    response.statusDescription = 'Forbidden';
  }
  if (isByCookie || isPreviewHost(event.request)) headers['x-robots-tag'] = { value: 'noindex' };
  return response;
}

function dress(event, headers, edge) {
  const response = event.response;
  // How long the edge keeps a blob is not how long a browser may: an Age, or the edge's own lifetime, would make it stale on arrival.
  delete headers.age;
  const lifetime = edge.c || 'public, max-age=0, must-revalidate';
  // What a password opened is for the one who has it, whoever stands between.
  headers['cache-control'] = { value: event.request.headers.authorization ? lifetime.replace('public', 'private') : lifetime };

  for (const name in DEFAULTS) headers[name] = { value: DEFAULTS[name] };
  for (const name in edge.h || {}) {
    if (edge.h[name] === '') delete headers[name];
    else headers[name] = { value: edge.h[name] };
  }

  if (edge.s && response.statusCode === 200) {
    response.statusCode = edge.s;
    response.statusDescription = edge.s === 404 ? 'Not Found' : edge.s === 410 ? 'Gone' : '';
  }
}
