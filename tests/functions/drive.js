// Appended to a function's own text: reads one event per line from the file in argv[3], prints one answer per line.
async function driveEvents() {
  const lines = require('fs').readFileSync(process.argv[3], 'utf8').split('\n');
  for (let i = 0; i < lines.length; i++) {
    let answer;
    globalThis.originAskedFor = undefined;
    try {
      answer = await handler(JSON.parse(lines[i]));
      // Another origin for the request is no part of what the handler returns.
      if (globalThis.originAskedFor) answer.origin = globalThis.originAskedFor;
    } catch (e) {
      answer = { error: 'threw' };
    }
    console.log(JSON.stringify(answer));
  }
}
driveEvents();
