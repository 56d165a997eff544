"""The JavaScript that prepares a quickjs context to look like CloudFront's runtime 2.0.

It takes away what CloudFront lacks (by allow-list: a new release of the engine adds nothing by itself), gives the modules
`cloudfront` and `crypto`, freezes the clock during a call, notes whether a call depended on anything but its event, and keeps the
way in and out of the handler in a closure that the function cannot reach.
Source: "JavaScript runtime 2.0 features for CloudFront Functions" (CloudFront developer guide); where the guide is silent, nginx
njs 0.7.9 (`Object.getOwnPropertyNames`), whose descendant the runtime is.
"""

from __future__ import annotations

import json

_GLOBALS = """
Object Function Array Number Boolean String Symbol Math Date RegExp JSON Promise ArrayBuffer DataView Int8Array Uint8Array
Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array
Error EvalError RangeError ReferenceError SyntaxError TypeError URIError InternalError AggregateError
parseInt parseFloat isNaN isFinite decodeURI decodeURIComponent encodeURI encodeURIComponent atob btoa
NaN Infinity undefined globalThis console require
"""

_MEMBERS = {
    "String.prototype": """length constructor charAt charCodeAt codePointAt concat endsWith includes indexOf lastIndexOf
        match padEnd padStart repeat replace replaceAll search slice split startsWith substr substring toLowerCase toString
        toUpperCase trim trimEnd trimStart valueOf""",
    "String": "length name prototype fromCharCode fromCodePoint",
    "Array.prototype": """length constructor concat copyWithin entries every fill filter find findIndex forEach includes
        indexOf
        join keys lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice toString unshift values""",
    "Array": "length name prototype from isArray of",
    "Object": """length name prototype assign create defineProperties defineProperty entries freeze getOwnPropertyDescriptor
        getOwnPropertyDescriptors getOwnPropertyNames getOwnPropertySymbols getPrototypeOf is isExtensible isFrozen isSealed keys
        preventExtensions seal setPrototypeOf values""",
    "Promise": "length name prototype all allSettled any race reject resolve",
}

ALGORITHMS = ("md5", "sha1", "sha256")
ENCODINGS = ("hex", "base64", "base64url")
CLEANUP = "delete globalThis.sandbox_load; delete globalThis.sandbox_enter; delete globalThis.sandbox_leave;"

_SOURCE = r"""
(function (globals, members, host) {
  'use strict';
  const parse = JSON.parse, stringify = JSON.stringify;
  const resolve = Promise.resolve.bind(Promise), reject = Promise.reject.bind(Promise);
  const then = Function.prototype.call.bind(Promise.prototype.then);
  const RealDate = Date, clock = Date.now, ThePromise = Promise, TheError = Error;
  let started = 0;

  // Text for the host. What its C strings cannot carry (NUL ends them, lone surrogates are no UTF-8) goes as JSON; text joined from
  // parts is a rope, which the host cannot read above 512 characters, until String or stringify makes one piece of it.
  const flat = String;
  const odd = /[\0\ud800-\udfff]/;
  function isOdd(text) { return odd.test(text); }

  // No way to run text as code: neither eval nor any of the constructors behind a function's `constructor`.
  function refuse() { throw new EvalError('Code generation from strings disallowed for this context'); }
  refuse.prototype = Function.prototype;
  [function () {}, async function () {}, function* () {}, async function* () {}].forEach(function (kind) {
    Object.defineProperty(Object.getPrototypeOf(kind), 'constructor', { value: refuse });
  });
  globalThis.Function = refuse;

  function FixedDate(a, b, c, d, e, f, g) {
    if (!new.target) return new RealDate(started).toString();
    if (arguments.length === 0) return new RealDate(started);
    if (arguments.length === 1) return new RealDate(a);
    const parts = [c === undefined ? 1 : c, d || 0, e || 0, f || 0, g || 0];
    return new RealDate(a, b, parts[0], parts[1], parts[2], parts[3], parts[4]);
  }
  FixedDate.prototype = RealDate.prototype;
  Object.defineProperty(RealDate.prototype, 'constructor', { value: FixedDate });
  FixedDate.now = function () { return started; };
  FixedDate.parse = RealDate.parse;
  FixedDate.UTC = RealDate.UTC;
  globalThis.Date = FixedDate;

  // On a prototype and with one host function for each pair of algorithm and encoding: a router hashes on every request.
  function Hash(algorithm, key) {
    if (['md5', 'sha1', 'sha256'].indexOf(algorithm) < 0) throw new TypeError('not supported algorithm: "' + algorithm + '"');
    this.digests = host.digests[algorithm];
    this.key = key;
    this.text = '';
  }
  Hash.prototype.update = function (data) {
    if (typeof data !== 'string') throw new TypeError('the local edge hashes strings only');
    if (this.text === null) throw new Error('Digest already called');
    this.text += data;
    return this;
  };
  Hash.prototype.digest = function (encoding) {
    const text = flat(this.text);
    if (this.text === null) throw new Error('Digest already called');
    const digest = this.digests[encoding];
    if (!digest) throw new TypeError('Unknown digest encoding: "' + encoding + '"');
    this.text = null;
    return this.key === undefined && !isOdd(text) ? digest(text) : digest(stringify([text, this.key]), true);
  };
  const crypto = {
    createHash: function (algorithm) { return new Hash(algorithm); },
    createHmac: function (algorithm, key) { return new Hash(algorithm, flat(key)); },
  };

  function read(key) {
    return isOdd(key) ? host.read(stringify(key), true) : host.read(key);
  }
  function get(key, options) {
    const value = read(flat(key));
    if (value === null) return reject(new Error('KeyNotFound: ' + key));
    return resolve(options && options.format === 'json' ? parse(value) : value);
  }
  const kvs = {
    get: get,
    exists: function (key) { return resolve(read(flat(key)) !== null); },
    meta: function () {
      return resolve({ creationDateTime: '', lastUpdatedDateTime: '', keyCount: host.count() });
    },
  };
  // Another origin for this request is no part of what the handler returns; here it comes back as the request's `origin`.
  let origin;
  const cloudfront = {
    kvs: function () { return kvs; },
    updateRequestOrigin: function (wanted) { origin = parse(stringify(wanted)); },
  };
  const modules = { crypto: crypto, cloudfront: cloudfront };
  function load(name) {
    if (!Object.prototype.hasOwnProperty.call(modules, name)) throw new Error('Cannot find module "' + name + '"');
    return modules[name];
  }
  globalThis.require = load;
  globalThis.console = { log: function () {
    const parts = [];
    for (let i = 0; i < arguments.length; i++) {
      parts.push(typeof arguments[i] === 'string' ? arguments[i] : stringify(arguments[i]));
    }
    host.log(stringify(parts.join(' ')));
  } };

  function keep(object, names) {
    Object.getOwnPropertyNames(object).forEach(function (name) {
      if (names.indexOf(name) < 0) delete object[name];
    });
  }
  const own = Object.keys(members).map(function (path) {
    const object = path.split('.').reduce(function (at, name) { return at[name]; }, globalThis);
    return function () { keep(object, members[path]); };
  });
  keep(globalThis, globals);
  own.forEach(function (run) { run(); });

  // [0, answer] or [1, text of what was thrown]
  let outcome;
  function succeed(value) {
    if (origin && value) value.origin = origin;
    outcome = stringify([0, value]);
  }
  function fail(error) {
    // The engine has no memory left for an error object when it throws null.
    let text = error === null ? 'threw null: probably out of memory' : 'threw ' + String(error);
    if (error instanceof TheError) text = error.name + ': ' + error.message + '\n' + (error.stack || '');
    outcome = stringify([1, text]);
  }
  function enter(handler, type) {
    return function (ip, request, response) {
      outcome = origin = undefined;
      started = clock();
      const event = {
        version: '1.0',
        context: { distributionDomainName: 'local', distributionId: 'local', eventType: type, requestId: 'local' },
        viewer: { ip: ip },
        request: parse(request),
      };
      if (response !== null) event.response = parse(response);
      try {
        const value = handler(event);
        if (value instanceof ThePromise) then(value, succeed, fail);
        else succeed(value);
      } catch (error) {
        fail(error);
      }
      return outcome;
    };
  }
  globalThis.sandbox_load = load;
  globalThis.sandbox_enter = enter;
  globalThis.sandbox_leave = function () { return outcome; };
})
"""


def bootstrap() -> str:
    """The script to run first.

    It takes the host's callables `host_read`, `host_log`, `host_count` and `host_<algorithm>_<encoding>`, and leaves
    `sandbox_load`, `sandbox_enter` and `sandbox_leave` as globals for the loader, which removes them with `CLEANUP`.
    """
    allowed = json.dumps(_GLOBALS.split())
    members = json.dumps({path: names.split() for path, names in _MEMBERS.items()})
    digests = ", ".join(
        f"{algorithm}: {{ {', '.join(f'{encoding}: host_{algorithm}_{encoding}' for encoding in ENCODINGS)} }}"
        for algorithm in ALGORITHMS
    )
    host = f"{{ read: host_read, log: host_log, count: host_count, digests: {{ {digests} }} }}"
    return f"{_SOURCE.strip()}({allowed}, {members}, {host});"
