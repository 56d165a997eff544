import cf from 'cloudfront';
import crypto from 'crypto';

// Every answer comes from the route table of the version that the host's pointer names; see docs/routing-data.md for the layout.
// Nothing a visitor types reaches the origin: the only origin paths are /<site>/blobs/<key>, with the key from the table.
const kvs = cf.kvs();
const FINGERPRINT = 7;
const RECORD = 30;
const ORIGIN_PATH = /^\/[a-z0-9-]+\/blobs\/[\w-]{22}$/;

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
  const digest = crypto.createHash('md5').update(parts[1] + path).digest('hex');
  const number = parseInt(digest.slice(0, 8), 16) % parts[2];
  const shard = await read('t:' + parts[0] + ':' + number);
  if (shard === '-') return '';
  if (!shard || shard.length % RECORD) return null;
  const fingerprint = digest.slice(8, 8 + FINGERPRINT);
  let at = shard.indexOf(fingerprint);
  while (at > 0 && at % RECORD) at = shard.indexOf(fingerprint, at + 1);
  return at < 0 ? '' : shard.slice(at + FINGERPRINT, at + RECORD);
}

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

function unavailable() {
  return answer(503, 'Service Unavailable', { 'retry-after': { value: '1' } });
}

function queryOf(request) {
  const query = request.querystring;
  const parts = [];
  for (const name in query) {
    const all = query[name].multiValue || [query[name]];
    for (let i = 0; i < all.length; i++) parts.push(all[i].value === '' ? name : name + '=' + all[i].value);
  }
  return parts.join('&');
}

function redirect(status, target, request) {
  const query = queryOf(request);
  if (query && target.indexOf('?') < 0) {
    const hash = target.indexOf('#');
    target = hash < 0 ? target + '?' + query : target.slice(0, hash) + '?' + query + target.slice(hash);
  }
  return {
    statusCode: status,
    statusDescription: status === 301 ? 'Moved Permanently' : status === 308 ? 'Permanent Redirect' : 'Found',
    headers: { location: { value: target }, 'cache-control': { value: 'public, max-age=0, must-revalidate' } },
  };
}

// The same page under its one canonical name: `rule` is status (3 digits), how many characters to cut (2 digits), '/' or '-'.
function canonical(rule, path, request) {
  const cut = path.slice(0, path.length - parseInt(rule.slice(3, 5), 10)) + (rule[5] === '/' ? '/' : '');
  // A made-up path may share a fingerprint with a real one: even then the answer stays on this host.
  const kept = cut.replace(/^\/+/, '/');
  return redirect(parseInt(rule.slice(0, 3), 10), encodeURI(kept).replace(/[?#]/g, encodeURIComponent), request);
}

// A rule's target lies in a pool of its own: `ref` is chunk, offset and length.
async function named(table, ref, request) {
  const at = ref.split('.');
  const chunk = await read('x:' + table.split('.')[0] + ':' + at[0]);
  if (!chunk) return unavailable();
  const offset = parseInt(at[1], 10);
  const rule = chunk.slice(offset, offset + parseInt(at[2], 10));
  if (!/^30[12378] \S/.test(rule)) return unavailable();
  return redirect(parseInt(rule.slice(0, 3), 10), rule.slice(4), request);
}

function origin(request, site, key, isError) {
  const uri = '/' + site + '/blobs/' + key;
  if (!ORIGIN_PATH.test(uri)) return unavailable();
  if (isError) {
    // A missing page stays a 404 whatever validators or ranges the visitor sends along (RFC 9110, sections 13.2.1 and 14.2).
    delete request.headers['if-none-match'];
    delete request.headers['if-modified-since'];
    delete request.headers['if-range'];
    delete request.headers.range;
  }
  request.uri = uri;
  return request;
}

function missing(request, pointer, path) {
  const accept = request.headers.accept;
  const isPage = path.lastIndexOf('.') < path.lastIndexOf('/') || (accept && accept.value.indexOf('text/html') >= 0);
  if (pointer[4] !== '-' && isPage) return origin(request, pointer[1], pointer[4], false);
  if (pointer[5] !== '-') return origin(request, pointer[1], pointer[5], true);
  return answer(404, 'Not Found', {});
}

async function handler(event) {
  const request = event.request;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return answer(405, 'Method Not Allowed', { allow: { value: 'GET, HEAD' } });
  }
  const host = request.headers.host ? request.headers.host.value.toLowerCase() : '';
  const value = await read('h:' + host);
  if (!value) return answer(404, 'Not Found', {});
  const pointer = value.split('|');
  if (pointer[0] !== '1' || pointer.length < 7) return unavailable();

  let path = request.uri;
  if (path.indexOf('%') >= 0) {
    try {
      path = decodeURIComponent(path);
    } catch (e) {
      return missing(request, pointer, path);
    }
  }

  let table = pointer[3];
  let record = await lookup(table, path);
  if (record === null && pointer[6] !== '-') {
    // The pointer arrived at this edge before its table: the version before it answers, but cannot say what is missing.
    table = pointer[6];
    record = await lookup(table, path);
    if (!record) return unavailable();
  }
  if (record === null) return unavailable();
  if (record === '') return missing(request, pointer, path);
  const kind = record[0];
  const ref = record.slice(1);
  if (kind === 'F') return origin(request, pointer[1], ref, false);
  if (kind === 'E') return origin(request, pointer[1], ref, true);
  if (kind === 'C') return canonical(ref, path, request);
  if (kind === 'R') {
    const moved = await named(table, ref, request);
    return moved;
  }
  return unavailable();
}
