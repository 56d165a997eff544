import cf from 'cloudfront';
import crypto from 'crypto';

// Every answer comes from the route table of the version that the host's pointer names; see docs/routing-data.md for the layout.
// Nothing a visitor types reaches the origin: the only origin paths are /<site>/blobs/<key>, with the key from the table, and those
// below an address that a rule of the site names.
const kvs = cf.kvs();

// --- page
function hash(kind, text) {
  return crypto.createHash(kind).update(text).digest('hex');
}

// The record for a digest, '' when the shard says that there is none, null when it is damaged. A shard holds all of its fingerprints
// (7 characters) before all records (23), since what is searched for is found sooner in a shorter text; then how many they are.
function find(shard, digest) {
  const count = parseInt(shard.slice(-1), 36);
  if (shard.length !== count * 30 + 1) return null;
  const print = digest.slice(8, 15);
  let at = shard.indexOf(print);
  while (at > 0 && at % 7) at = shard.indexOf(print, at + 1);
  const start = count * 7 + (at / 7) * 23;
  return at < 0 || at >= count * 7 ? '' : shard.slice(start, start + 23);
}

// Asks the origin for a blob, and for nothing of what the visitor asked: a query or a key would split the cache, and S3 would read it.
// Throws when this is no name of one: routing data may be damaged, and still leads nowhere else.
function blob(ask, site, key) {
  const name = site + key;
  if (key.length !== 22 || !site || name.search(/[^\w-]/) >= 0) throw 503;
  ask.uri = '/' + site + '/blobs/' + key;
  ask.querystring = {};
  delete ask.headers['x-key'];
  return ask;
}

// A page of a host without gate, canary and preview ends here. It is flat, with one `try`, since that is what instructions are spent on.
async function handler(event) {
  const ask = event.request;
  const isPlain = ask.method === 'GET' || ask.method === 'HEAD';
  const cookie = ask.cookies['__Host-preview'];
  let value = '';
  let record;
  try {
    value = await kvs.get('h:' + ask.headers.host.value.toLowerCase());
    if (isPlain && !cookie && value[1] !== '|') {
      const nonce = value.slice(1, 12);
      const digest = hash('md5', nonce + decodeURIComponent(ask.uri));
      const shard = await kvs.get('t:' + nonce + ':' + (parseInt(digest.slice(0, 8), 16) % value.slice(12, 17)));
      record = find(shard, digest);
      if (record && record[0] === 'F') return blob(ask, value.slice(20, 20 + +value.slice(17, 19)), record.slice(1));
    }
  } catch (e) {
    // What is not there, or not as it should be, is looked at below.
  }
  const at = { event: event, ask: ask, value: value, record: record };
  try {
    if (cookie) at.value = await preview(at, cookie.value);
    const reply = await route(at);
    if (!isPlain && !at.isElsewhere) return answer(405, 'Method Not Allowed', { allow: { value: 'GET, HEAD' } });
    // What a cookie leads to is nobody else's answer.
    if (cookie && reply.statusCode) reply.headers['cache-control'] = { value: 'no-store' };
    return reply;
  } catch (e) {
    return unready();
  }
}

// --- reading
async function read(key) {
  try {
    const value = await kvs.get(key);
    return value;
  } catch (e) {
    return null;
  }
}

// The record for a path, '' when the table says that there is none, null when the table is not here (yet) or is damaged.
async function lookup(table, path) {
  const parts = table.split('.');
  const digest = hash('md5', parts[0] + path);
  const shard = await read('t:' + parts[0] + ':' + (parseInt(digest.slice(0, 8), 16) % parts[1]));
  return shard ? find(shard, digest) : null;
}

// Texts too long for a record lie in a pool: `ref` is chunk, offset and length; a text may go on in the next 15 chunks.
async function pooled(table, ref) {
  const parts = ref.split('.');
  const end = +parts[1] + +parts[2];
  let text = '';
  for (let i = 0; text.length < end && i < 16; i++) {
    const chunk = await read('x:' + table.split('.')[0] + ':' + (+parts[0] + i));
    // Only a full chunk has a next one.
    if (!chunk || text.length % 1024) return '';
    text += chunk;
  }
  return text.slice(+parts[1], end);
}

// --- answers
function answer(status, reason, headers) {
  headers['cache-control'] = { value: 'no-store' };
  headers['content-type'] = { value: 'text/plain' };
  return { statusCode: status, headers: headers, body: { encoding: 'text', data: status + ' ' + reason + '\n' } };
}

// Also what is thrown ends as this: nobody can know what is there.
function unready(seconds) {
  return answer(503, 'Service Unavailable', { 'retry-after': { value: seconds || '1' } });
}

function header(at, name) {
  return (at.ask.headers[name] || { value: '' }).value;
}

// What a URL may carry: one spelling for every way to encode a path. Throws where the encoding is not UTF-8.
function encoded(path) {
  return encodeURI(path).replace(/[?#]/g, encodeURIComponent);
}

function canonical(path) {
  if (path.indexOf('%') < 0) return encoded(path);
  const decode = (part) => encoded(decodeURIComponent(part));
  return path.split(/%2f/i).map(decode).join('%2F');
}

// A target without a query of its own takes the visitor's along.
function redirect(status, target, at) {
  if (!target || !/^30[0-378]$/.test(status)) throw 503;
  const query = at.ask.querystring;
  const parts = [];
  for (const name in query) {
    const add = (one) => parts.push(one.value === '' ? name : name + '=' + one.value);
    (query[name].multiValue || [query[name]]).forEach(add);
  }
  if (parts[0] && target.indexOf('?') < 0) target = target.replace(/#|$/, (end) => '?' + parts.join('&') + end);
  return {
    statusCode: +status,
    headers: { location: { value: target }, 'cache-control': { value: 'public, max-age=0, must-revalidate' } },
  };
}

function extended(reply, json) {
  const extra = json && reply.statusCode ? JSON.parse(json) : {};
  for (const name in extra) reply.headers[name] = { value: extra[name] };
  return reply;
}

function origin(at, key, isError) {
  if (isError) {
    // A missing page stays a 404 whatever validators or ranges the visitor sends along (RFC 9110, sections 13.2.1 and 14.2).
    ['if-none-match', 'if-modified-since', 'if-range', 'range'].forEach((name) => delete at.ask.headers[name]);
  }
  return blob(at.ask, at.pointer[1], key);
}

// The same page under its one canonical name: `rule` is status (3 digits), how many characters to cut (2 digits), '/' or '-'.
function respelled(rule, path) {
  // A made-up path may share a fingerprint with a real one: even then the answer stays on this host.
  return (path.slice(0, path.length - rule.slice(3, 5)) + (rule[5] === '/' ? '/' : '')).replace(/^\/+/, '/');
}

function missing(at) {
  const error = at.pointer[5];
  // One that begins with a star answers for whatever is missing, another one for pages only.
  const fallback = at.pointer[4].replace('*', '');
  const isPage = at.path.lastIndexOf('.') < at.path.lastIndexOf('/') || header(at, 'accept').indexOf('text/html') >= 0;
  if (fallback !== '-' && (isPage || fallback !== at.pointer[4])) return origin(at, fallback);
  return error === '-' ? answer(404, 'Not Found', {}) : origin(at, error, true);
}

// --- proxy
function proxied(at, url) {
  const parts = url.split('/');
  const host = parts[2].split(':');
  const protocol = parts[0].slice(0, -1);
  cf.updateRequestOrigin({
    domainName: host[0],
    originAccessControlConfig: { enabled: false },
    customOriginConfig: { port: +host[1] || (protocol[4] ? 443 : 80), protocol: protocol, sslProtocols: ['TLSv1.2'] },
  });
  // Part of the cache key: otherwise one visitor's answer could be another's, and another origin's one of the site's own.
  at.ask.headers['x-key'] = { value: hash('md5', url + JSON.stringify(at.ask)) };
  at.ask.uri = '/' + parts.slice(3).join('/');
  at.isElsewhere = true;
  return at.ask;
}

// --- rules
// Whether the conditions of a rule hold; the values of query parameters that it captures are added to `found`. A parameter that is
// missing, or is not UTF-8, fulfils none.
// h: headers and what they may be, l: languages, k: cookies of which one is there, q: query parameters.
function holds(at, when, found) {
  const language = header(at, 'accept-language').split(/[,;]/)[0].trim().toLowerCase();
  return (
    (!when.l || when.l.indexOf(language) >= 0 || when.l.indexOf(language.split('-')[0]) >= 0) &&
    (!when.k || when.k.some((name) => at.ask.cookies[name])) &&
    (when.h || []).every((pair) => pair[1].indexOf(header(at, pair[0]).toLowerCase()) >= 0) &&
    (when.q || []).every((pair) => {
      try {
        const value = canonical(at.ask.querystring[pair[0]].value);
        return pair[1] === '{}' ? found.push(value) : pair[1] === value;
      } catch (e) {
        return false;
      }
    })
  );
}

// What a rule says for this request, null when it does not hold: [outcome with its captures filled in, names of the query it used].
// A rule is a line: beginning, end and middle of its pattern, order, 1 if it goes before files, outcome, conditions, and a flag: `i`
// for a pattern that takes any case, `/` for one that takes a slash at the end of the path or none.
function outcome(at, rule) {
  const url = rule[7] === '/' && at.url.endsWith('/') ? at.url.slice(0, -1) : at.url;
  const end = url.length - rule[1].length;
  if (end < rule[0].length || !url.endsWith(rule[1])) return null;
  const mid = url.slice(rule[0].length, end);
  // Most patterns end in a splat or have one placeholder: compiling an expression for them would cost more than all the rest.
  let found = ['', mid];
  if (rule[2] === '-') found = [''];
  else if (rule[2] === '([^/]+)') found = mid && mid.indexOf('/') < 0 ? found : null;
  else if (rule[2] !== '(.*)') found = new RegExp('^(?:' + rule[2] + ')$', rule[7] === 'i' ? 'i' : '').exec(mid);
  const when = rule[6] ? JSON.parse(rule[6]) : {};
  if (!found || (rule[6] && !holds(at, when, found))) return null;
  const used = (when.q || []).map((pair) => (pair[1] === '{}' ? pair[0] : ''));
  let text = rule[5];
  if (text.indexOf('{') > 0) text = text.replace(/\{(\d+)\}/g, (all, number) => found[number] || '');
  if (text[0] === 'R') {
    // `//` at the beginning would be another host; further on it is what an empty capture leaves.
    if (text[5] === '/') text = text.replace(/\/[^?# ]*/, (path) => path.replace(/\/+/g, '/'));
    // A rule that leads to where the visitor is would lead there for ever.
    const own = (header(at, 'cloudfront-forwarded-proto') || 'https') + '://' + header(at, 'host');
    const here = text.slice(5).replace(own, '').split(/[?# ]/)[0] || '/';
    // Unless it takes a part of the query away.
    if (here === at.url && !used.some((name) => name && text.indexOf(name + '=') < 0)) return null;
  }
  return [text, used, rule];
}

// The first rule of a list that holds, `said` if that one comes before it.
function first(at, text, said) {
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    // Most patterns of a list begin otherwise than the path.
    if (at.url.startsWith(lines[i].slice(0, lines[i].indexOf('\t')))) {
      const rule = lines[i].split('\t');
      const found = !said || rule[3] - said[2][3] < 0 ? outcome(at, rule) : null;
      if (found) return found;
    }
  }
  return said;
}

// The first of the site's patterns that holds. They lie by the folder that all of their paths are in; `at.depths` says how deep.
async function pattern(at) {
  const dirs = at.url.split('/');
  let said = null;
  for (let i = 0; i < at.depths.length && dirs.length > +at.depths[i] + 1; i++) {
    const record = await lookup(at.table, '*' + dirs.slice(0, +at.depths[i] + 1).join('/') + '/');
    const text = record && (await pooled(at.table, record.slice(1)));
    if (record === null || (record && !text)) throw 503;
    if (text) said = first(at, text, said);
  }
  return said;
}

// The record of the file that lies at a path, whatever rules say about it.
async function fileAt(at, path) {
  const record = await lookup(at.table, '=' + path);
  return record === '' ? lookup(at.table, path) : record;
}

async function follow(at, said) {
  const kind = said[0][0];
  const text = said[0].slice(1);
  // What a rule has captured of the query is in its target.
  said[1].forEach((name) => delete at.ask.querystring[name]);
  if (kind === 'R') {
    const parts = text.split(' ');
    return extended(redirect(parts[0], parts[1], at), parts.slice(2).join(' '));
  }
  // An origin that resolves dots would serve from outside of what the rule names.
  if (kind === 'P') return /(\/|%2f)\.\.?(\/|%2f|$)/i.test(text) ? missing(at) : proxied(at, text);
  if (kind === 'N') return extended(missing(at), text.slice(1));
  if (kind !== 'W' && kind !== 'V') return settle(at, said[0]);
  // A rewrite to another spelling of a page ends at the page (W), or sends the visitor there (V).
  at.path = decodeURIComponent(text.split('?')[0]).replace(/^\/+/, '/');
  let record = await fileAt(at, at.path);
  if (record && /c/i.test(record[0])) {
    const path = respelled(record.slice(1), at.path);
    if (kind === 'V' && encoded(path) !== at.url) return redirect(record.slice(1, 4), encoded(path), at);
    record = await fileAt(at, path);
  }
  if (record === null) throw 503;
  return /^[fe]/i.test(record) ? origin(at, record.slice(1), /^e/i.test(record)) : missing(at);
}

// --- table
// A record in lower case is one that the site's patterns may have to say something about first.
async function settle(at, record) {
  const kind = record[0];
  const ref = record.slice(1);
  if (kind === 'F' || kind === 'E') return origin(at, ref, kind === 'E');
  if (kind === 'C') return redirect(ref.slice(0, 3), encoded(respelled(ref, at.path)), at);
  let said = null;
  if (kind === 'R' || kind === 'B') {
    const text = await pooled(at.table, ref);
    if (!text) throw 503;
    said = kind === 'R' ? ['R' + text, []] : first(at, text, null);
  } else {
    if (record && !/[fecr]/.test(kind)) throw 503;
    if (at.depths) said = await pattern(at);
    if (record && (!said || said[2][4] !== '1')) return settle(at, kind.toUpperCase() + ref);
  }
  return said ? follow(at, said) : missing(at);
}

// --- gate
// What a channel puts before all of its answers: another host (r), maintenance (m), a password (p).
function gate(at, kind, value) {
  if (kind === 'r') return redirect(308, '//' + value + '/' + canonical(at.ask.uri).slice(1), at);
  if (kind === 'm') return value === '-' ? unready('300') : origin(at, value, true);
  const parts = value.split('.');
  const given = hash('sha256', parts[0] + ':' + header(at, 'authorization').slice(6));
  let differs = kind !== 'p' || given.length - parts[1].length;
  for (let i = 0; i < given.length; i++) differs |= given.charCodeAt(i) ^ parts[1].charCodeAt(i);
  delete at.ask.headers.authorization;
  return differs ? answer(401, 'Unauthorized', { 'www-authenticate': { value: 'Basic realm="preview"' } }) : null;
}

// --- preview
// Without a domain for them a site's previews lie one label below the host as well; a cookie names the one that answers instead of
// the host. One that is not there is not missed: the cookie may be older than the preview's end.
async function preview(at, label) {
  if (!/^[a-z0-9-]{1,31}--[a-z0-9-]{1,30}$/.test(label) || (at.value && !label.endsWith('--' + at.value.split('|')[1]))) return at.value;
  const value = await read('h:' + label + '.' + header(at, 'host').toLowerCase());
  return value || at.value;
}

// --- canary
// A visitor stays on one side: by the value of a cookie of the site's own, else by address and browser.
function isNext(at, rule) {
  const parts = rule.split('.');
  const cookie = at.ask.cookies[parts.slice(2).join('.')] || {};
  const who = cookie.value || at.event.viewer.ip + '|' + header(at, 'user-agent');
  return parseInt(hash('md5', parts[1] + '|' + who).slice(0, 8), 16) % 10000 < parts[0];
}

// --- channel
async function route(at) {
  if (!at.value) return answer(404, 'Not Found', {});
  const sides = at.value.split('\n');
  const pointer = sides[sides[2] && isNext(at, sides[1]) ? 2 : 0].split('|');
  at.pointer = pointer;
  if (pointer[0][0] !== '2' || pointer.length < 8) throw 503;
  const closed = pointer[7] === '-' ? null : gate(at, pointer[7][0], pointer[7].slice(1));
  if (closed) return closed;

  at.table = pointer[3];
  at.path = at.ask.uri;
  try {
    at.url = canonical(at.path);
    at.path = decodeURIComponent(at.path);
  } catch (e) {
    return missing(at);
  }
  let record = at.record;
  if (record === undefined) record = await lookup(at.table, at.path);
  if (record === null) {
    // The pointer arrived at this edge before its table: the version before it answers, but cannot say what is missing.
    at.table = pointer[6];
    record = await lookup(at.table, at.path);
    if (!record) throw 503;
  }
  at.depths = at.table.split('.')[2] || '';
  const reply = await settle(at, record);
  return reply;
}
