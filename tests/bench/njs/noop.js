import cf from 'cloudfront';

const store = cf.kvs();

async function handler(event) {
  return event.request;
}
