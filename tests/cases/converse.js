// Appended to a function's own text: answers each event, a line of standard input, with a line of standard output at once.
const lines = (function () {
  const fs = require('fs');
  const input = fs.openSync('/dev/stdin', 'r');
  const buffer = Buffer.alloc(65536);
  let held = Buffer.alloc(0);
  return {
    // The next line, or null at the end.
    next: function () {
      for (;;) {
        const at = held.indexOf(10);
        if (at >= 0) {
          const line = held.slice(0, at).toString();
          held = held.slice(at + 1);
          return line;
        }
        const size = fs.readSync(input, buffer);
        if (!size) return null;
        held = Buffer.concat([held, buffer.slice(0, size)]);
      }
    },
    // console.log would keep its text until there is more of it.
    say: function (text) {
      fs.writeFileSync('/dev/stdout', text + '\n');
    },
  };
})();

async function converse() {
  for (let line = lines.next(); line !== null; line = lines.next()) {
    let answer;
    globalThis.originAskedFor = undefined;
    try {
      answer = await handler(JSON.parse(line));
      // Another origin for the request is no part of what the handler returns (see shim/cloudfront).
      if (globalThis.originAskedFor) answer.origin = globalThis.originAskedFor;
    } catch (e) {
      answer = { error: 'threw' };
    }
    lines.say(JSON.stringify(answer));
  }
}
converse();
