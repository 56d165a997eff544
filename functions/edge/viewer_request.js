import cf from 'cloudfront';
import crypto from 'crypto';

// Every answer comes from the route table of the version that the host's pointer names; see docs/routing-data.md for the layout.
// Nothing a visitor types reaches the origin: the only origin paths are /<site>/blobs/<key>, with the key from the table, and those
// below an address that a rule of the site names.
const kvs = cf.kvs();
const FINGERPRINT = 7;
const RECORD = 30;
const MOST_CHUNKS = 16;
const ORIGIN_PATH = /^\/[a-z0-9-]+\/blobs\/[\w-]{22}$/;

// --- reading
async function read(key) {
  try {
    const value = await kvs.get(key);
    return value;
  } catch (e) {
    return null;
  }
}

function md5(text) {
  return crypto.createHash('md5').update(text).digest('hex');
}

// The record for a path, '' when the table says that there is none, null when the table is not here (yet) or is damaged.
async function lookup(table, path) {
  const parts = table.split('.');
  const digest = md5(parts[1] + path);
  const number = parseInt(digest.slice(0, 8), 16) % parts[2];
  const shard = await read('t:' + parts[0] + ':' + number);
  if (shard === '-') return '';
  if (!shard || shard.length % RECORD) return null;
  const fingerprint = digest.slice(8, 8 + FINGERPRINT);
  let at = shard.indexOf(fingerprint);
  while (at > 0 && at % RECORD) at = shard.indexOf(fingerprint, at + 1);
  return at < 0 ? '' : shard.slice(at + FINGERPRINT, at + RECORD);
}

// Texts too long for a record lie in a pool: `ref` is chunk, offset and length; a text may go on in the next chunks.
async function pooled(table, ref) {
  const at = ref.split('.');
  const first = parseInt(at[0], 10);
  const offset = parseInt(at[1], 10);
  const length = parseInt(at[2], 10);
  let text = '';
  for (let i = 0; text.length < offset + length && i < MOST_CHUNKS; i++) {
    const chunk = await read('x:' + table.split('.')[0] + ':' + (first + i));
    if (!chunk) return '';
    text += chunk;
  }
  return text.slice(offset, offset + length);
}

// --- answers
function answer(status, reason, headers) {
  headers['cache-control'] = { value: 'no-store' };
  headers['x-content-type-options'] = { value: 'nosniff' };
  headers['content-type'] = { value: 'text/plain; charset=utf-8' };
  return {
    statusCode: status,
    statusDescription: reason,
    headers: headers,
    body: { encoding: 'text', data: status + ' ' + reason + '\n' },
  };
}

function unavailable(seconds) {
  return answer(503, 'Service Unavailable', { 'retry-after': { value: seconds || '1' } });
}

function header(request, name) {
  return request.headers[name] ? request.headers[name].value : '';
}

// What a URL may carry: one spelling for every way to encode a path. Throws where the encoding is not UTF-8.
function canonical(path) {
  const parts = path.split(/%2f/i);
  for (let i = 0; i < parts.length; i++) {
    parts[i] = encodeURI(decodeURIComponent(parts[i])).replace(/[?#]/g, encodeURIComponent);
  }
  return parts.join('%2F');
}

// A target without a query of its own takes the visitor's along, but for the names in `used`.
function redirect(status, target, query, used) {
  const parts = [];
  for (const name in query) {
    const add = (one) => parts.push(one.value === '' ? name : name + '=' + one.value);
    if (!used || used.indexOf(name) < 0) (query[name].multiValue || [query[name]]).forEach(add);
  }
  if (parts[0] && target.indexOf('?') < 0) target = target.replace(/#|$/, (hash) => '?' + parts.join('&') + hash);
  return {
    statusCode: parseInt(status, 10),
    headers: { location: { value: target }, 'cache-control': { value: 'public, max-age=0, must-revalidate' } },
  };
}

function withHeaders(reply, json) {
  const extra = json ? JSON.parse(json) : {};
  for (const name in extra) reply.headers[name] = { value: extra[name] };
  return reply;
}

function origin(request, site, key, isError) {
  const uri = '/' + site + '/blobs/' + key;
  if (!ORIGIN_PATH.test(uri)) return unavailable();
  if (isError) {
    // A missing page stays a 404 whatever validators or ranges the visitor sends along (RFC 9110, sections 13.2.1 and 14.2).
    ['if-none-match', 'if-modified-since', 'if-range', 'range'].forEach((name) => delete request.headers[name]);
  }
  request.uri = uri;
  return request;
}

// The same page under its one canonical name: `rule` is status (3 digits), how many characters to cut (2 digits), '/' or '-'.
function respelled(rule, path) {
  const cut = path.slice(0, path.length - parseInt(rule.slice(3, 5), 10)) + (rule[5] === '/' ? '/' : '');
  // A made-up path may share a fingerprint with a real one: even then the answer stays on this host.
  return cut.replace(/^\/+/, '/');
}

function missing(at) {
  const pointer = at.pointer;
  const segment = at.path.slice(at.path.lastIndexOf('/') + 1);
  const isPage = segment.indexOf('.') < 0 || header(at.request, 'accept').indexOf('text/html') >= 0;
  // One that begins with a star answers for whatever is missing, another one for pages only.
  const fallback = pointer[4].replace('*', '');
  if (fallback !== '-' && (isPage || fallback !== pointer[4])) return origin(at.request, pointer[1], fallback, false);
  if (pointer[5] !== '-') return origin(at.request, pointer[1], pointer[5], true);
  return answer(404, 'Not Found', {});
}

// --- proxy
function proxied(request, url, used) {
  const parts = url.split('/');
  const host = parts[2].split(':');
  const protocol = parts[0].slice(0, -1);
  used.forEach((name) => delete request.querystring[name]);
  cf.updateRequestOrigin({
    domainName: host[0],
    originAccessControlConfig: { enabled: false },
    customOriginConfig: { port: parseInt(host[1], 10) || (protocol === 'http' ? 80 : 443), protocol: protocol, sslProtocols: ['TLSv1.2'] },
  });
  request.uri = '/' + parts.slice(3).join('/');
  return request;
}

// --- rules
// Whether the conditions of a rule hold; the values of query parameters that it captures are added to `found`.
function holds(at, when, found) {
  const request = at.request;
  if (when.h && when.h !== at.host) return false;
  if (when.s && when.s !== header(request, 'cloudfront-forwarded-proto')) return false;
  if (when.c && when.c.indexOf(header(request, 'cloudfront-viewer-country').toLowerCase()) < 0) return false;
  if (when.l) {
    const language = header(request, 'accept-language').split(/[,;]/)[0].trim().toLowerCase();
    if (when.l.indexOf(language) < 0 && when.l.indexOf(language.split('-')[0]) < 0) return false;
  }
  if (when.k && !when.k.some((name) => request.cookies[name])) return false;
  return (when.q || []).every((pair) => {
    const given = request.querystring[pair[0]];
    const value = given && canonical(given.value);
    return pair[1] === '{}' ? given && found.push(value) : pair[1] === value;
  });
}

// What a rule says for this request, null when it does not hold: [outcome with its captures filled in, names of the query it used].
// A rule is [order, pattern, 1 when it goes before files, conditions or 0, outcome, flags of the pattern].
function outcome(at, rule) {
  const found = rule[1] ? new RegExp('^(?:' + rule[1] + ')$', rule[5] || '').exec(at.url) : [''];
  if (!found || (rule[3] && !holds(at, rule[3], found))) return null;
  let text = rule[4];
  if (text.indexOf('{') > 0) text = text.replace(/\{(\d+)\}/g, (all, number) => found[number] || '');
  const used = ((rule[3] && rule[3].q) || []).map((pair) => pair[0]);
  if (text[0] === 'R') {
    // `//` at the beginning would be another host; further on it is what an empty capture leaves.
    if (text[5] === '/') text = text.replace(/\/[^?#\n]*/, (path) => path.replace(/\/+/g, '/'));
    // A rule that leads to where the visitor is would lead there for ever.
    const here = text.slice(5).replace(/^https?:\/\/([^\/]*)/, (all, host) => (host === at.host ? '' : all));
    if (!used[0] && (here.split(/[?#\n]/)[0] || '/') === at.url) return null;
  }
  return [text, used, rule];
}

function first(at, rules, before) {
  for (let i = 0; i < rules.length && (!before || rules[i][0] < before[2][0]); i++) {
    const said = outcome(at, rules[i]);
    if (said) return said;
  }
  return before;
}

// The first of the site's patterns that holds. They lie by the folder that all of their paths are in; `at.depths` says how deep.
async function pattern(at) {
  const folders = at.url.split('/');
  let said = null;
  for (let i = 0; i < at.depths.length; i++) {
    const depth = parseInt(at.depths[i], 10);
    if (folders.length < depth + 2) break;
    const record = await lookup(at.table, '*' + folders.slice(0, depth + 1).join('/') + '/');
    if (record === null) return [''];
    if (record) {
      const text = await pooled(at.table, record.slice(1));
      said = first(at, JSON.parse(text), said);
    }
  }
  return said;
}

async function follow(at, said) {
  const text = said[0];
  if (text[0] === 'R') {
    const lines = text.slice(1).split('\n');
    return withHeaders(redirect(lines[0].slice(0, 3), lines[0].slice(4), at.request.querystring, said[1]), lines[1]);
  }
  if (text[0] === 'P') return proxied(at.request, text.slice(1), said[1]);
  if (text[0] === 'N') return withHeaders(missing(at), text.split('\n')[1]);
  if (text[0] !== 'W') {
    const reply = await settle(at, text);
    return reply;
  }
  let path = decodeURIComponent(text.slice(1).split('?')[0]).replace(/^\/+/, '/');
  let record = await lookup(at.table, path);
  if (record && record[0].toUpperCase() === 'C') {
    path = respelled(record.slice(1), path);
    record = await lookup(at.table, path);
  }
  if (record === null) return unavailable();
  const kind = record ? record[0].toUpperCase() : '';
  if (kind !== 'F' && kind !== 'E') return missing(at);
  return origin(at.request, at.pointer[1], record.slice(1), kind === 'E');
}

// --- table
// A record in lower case is one that the site's patterns may have to say something about first.
async function settle(at, record) {
  const kind = record[0];
  const ref = record.slice(1);
  if (kind === 'F') return origin(at.request, at.pointer[1], ref, false);
  if (kind === 'E') return origin(at.request, at.pointer[1], ref, true);
  if (kind === 'C') {
    const target = encodeURI(respelled(ref, at.path)).replace(/[?#]/g, encodeURIComponent);
    return redirect(ref.slice(0, 3), target, at.request.querystring);
  }
  if (kind === 'R' || kind === 'B') {
    const text = await pooled(at.table, ref);
    if (!text) return unavailable();
    const said = kind === 'R' ? ['R' + text, []] : first(at, JSON.parse(text), null);
    if (kind === 'R' && !/^30[12378] \S/.test(text)) return unavailable();
    if (!said) return missing(at);
    const reply = await follow(at, said);
    return reply;
  }
  if (record && !/[fecr]/.test(kind)) return unavailable();
  const said = at.depths && at.url ? await pattern(at) : null;
  if (said && !said[0]) return unavailable();
  if (!said || (record && !said[2][2])) {
    const reply = record ? await settle(at, kind.toUpperCase() + ref) : missing(at);
    return reply;
  }
  const reply = await follow(at, said);
  return reply;
}

// --- gate
// What a channel puts before all of its answers: another host (r), maintenance (m), a password (p).
function gate(request, pointer) {
  const kind = pointer[7][0];
  const value = pointer[7].slice(1);
  if (kind === 'r') return redirect(308, '//' + value + canonical(request.uri), request.querystring);
  if (kind === 'm') return value === '-' ? unavailable('300') : origin(request, pointer[1], value, true);
  if (kind !== 'p') return unavailable();
  const parts = value.split('.');
  const given = crypto
    .createHash('sha256')
    .update(parts[0] + ':' + header(request, 'authorization').slice(6))
    .digest('hex');
  let differs = given.length - parts[1].length;
  for (let i = 0; i < given.length; i++) differs |= given.charCodeAt(i) ^ parts[1].charCodeAt(i);
  delete request.headers.authorization;
  return differs ? answer(401, 'Unauthorized', { 'www-authenticate': { value: 'Basic realm="preview", charset="UTF-8"' } }) : null;
}

// --- canary
// A visitor stays on one side: by the value of a cookie of the site's own, else by address and browser.
function isNext(event, rule) {
  const parts = rule.split('.');
  const cookie = event.request.cookies[parts.slice(2).join('.')];
  const who = cookie ? cookie.value : event.viewer.ip + '|' + header(event.request, 'user-agent');
  return parseInt(md5(parts[1] + '|' + who).slice(0, 8), 16) % 10000 < parts[0];
}

// --- handler
async function route(event) {
  const request = event.request;
  const host = header(request, 'host').toLowerCase();
  const value = await read('h:' + host);
  if (!value) return answer(404, 'Not Found', {});
  const sides = value.split('\n');
  const pointer = sides[sides.length > 2 && isNext(event, sides[1]) ? 2 : 0].split('|');
  if (pointer[0] !== '2' || pointer.length < 8) return unavailable();
  if (pointer[7] !== '-') {
    const closed = gate(request, pointer);
    if (closed) return closed;
  }

  const at = { request: request, host: host, pointer: pointer, table: pointer[3], path: request.uri, url: request.uri, depths: '' };
  if (at.path.indexOf('%') >= 0) {
    at.url = '';
    try {
      at.path = decodeURIComponent(request.uri);
      at.url = canonical(request.uri);
    } catch (e) {
      return missing(at);
    }
  }
  let record = await lookup(at.table, at.path);
  if (record === null && pointer[6] !== '-') {
    // The pointer arrived at this edge before its table: the version before it answers, but cannot say what is missing.
    at.table = pointer[6];
    record = await lookup(at.table, at.path);
    if (!record) return unavailable();
  }
  if (record === null) return unavailable();
  at.depths = at.table.split('.')[3] || '';
  const reply = await settle(at, record);
  return reply;
}

async function handler(event) {
  const method = event.request.method;
  let reply;
  try {
    reply = await route(event);
  } catch (e) {
    return unavailable();
  }
  if (method !== 'GET' && method !== 'HEAD' && (reply.statusCode === 404 || ORIGIN_PATH.test(reply.uri))) {
    return answer(405, 'Method Not Allowed', { allow: { value: 'GET, HEAD' } });
  }
  return reply;
}
