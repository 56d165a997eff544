// Appended to a function's own text: reads one event per line from the file in argv[3], writes one answer per line to
// the file in argv[4]: what njs prints ends after a few thousand characters.
async function driveEvents() {
  const fs = require('fs');
  const lines = fs.readFileSync(process.argv[3], 'utf8').split('\n');
  const answers = [];
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
    answers.push(JSON.stringify(answer));
  }
  fs.writeFileSync(process.argv[4], answers.join('\n'));
}
driveEvents();
