// Appended to a function's text: calls it argv[4] times, in turn with the events that argv[3] holds one a line. With argv[5] each
// answer is printed, with the number of reads that it took.
async function drive() {
  const events = require('fs').readFileSync(process.argv[3], 'utf8').split('\n');
  const calls = parseInt(process.argv[4], 10);
  const counted = process.argv[5] ? count() : null;
  for (let i = 0; i < calls; i++) {
    const answer = await handler(JSON.parse(events[i % events.length]));
    if (counted) console.log(JSON.stringify({ answer: answer, reads: counted() }));
  }
}

function count() {
  const kept = cf.kvs();
  const get = kept.get;
  let reads = 0;
  kept.get = function (key) {
    reads++;
    return get(key);
  };
  return () => {
    const taken = reads;
    reads = 0;
    return taken;
  };
}
drive();
