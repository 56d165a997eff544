import cf from 'cloudfront';

const store = cf.kvs();

async function handler(event) {
  const value = await store.get(event.request.uri);
  return value;
}
