// Appended to a function's own text: reads one event per line from the file in argv[3], prints one answer per line.
async function driveEvents() {
  const lines = require('fs').readFileSync(process.argv[3], 'utf8').split('\n');
  for (let i = 0; i < lines.length; i++) {
    let answer;
    try {
      answer = await handler(JSON.parse(lines[i]));
    } catch (e) {
      answer = { error: 'threw' };
    }
    console.log(JSON.stringify(answer));
  }
}
driveEvents();
