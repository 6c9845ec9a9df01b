#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// A checking load with a stock npm client: node check.mjs NODE_MODULES CLIENT PORT
// Works until its stdin ends, then reads every key once and prints one JSON line; before that, one
// for each line that comes. Each worker has keys of its own, so it knows exactly what every read
// must answer. Exit 1 when anything differed.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [modules, name, portText] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), 'x.js'));
const port = Number(portText);
const HOST = '127.0.0.1';
const WORKERS = 8;
const KEYS = 100;

// Every client becomes { get, set, del, incr, mget, end }.
const makers = {
  ioredis() {
    return redisLike(new (require('ioredis').Cluster)([{ host: HOST, port }]));
  },
  iovalkey() {
    return redisLike(new (require('iovalkey').Cluster)([{ host: HOST, port }]));
  },
  async redis() {
    const url = `redis://${HOST}:${port}`;
    const client = require('redis').createCluster({ rootNodes: [{ url }] });
    client.on('error', (error) => note(error));
    await client.connect();
    return {
      get: (key) => client.get(key),
      set: (key, value) => client.set(key, value),
      del: (key) => client.del(key),
      incr: (key) => client.incr(key),
      mget: (keys) => client.mGet(keys),
      end: () => client.close(),
    };
  },
  async glide() {
    const { GlideClusterClient } = require('@valkey/valkey-glide');
    const client = await GlideClusterClient.createClient({
      addresses: [{ host: HOST, port }], requestTimeout: 10000 });
    return {
      get: (key) => client.get(key),
      set: (key, value) => client.set(key, value),
      del: (key) => client.del([key]),
      incr: (key) => client.incr(key),
      mget: (keys) => client.mget(keys),
      end: () => client.close(),
    };
  },
};

function redisLike(client) {
  client.on('error', (error) => note(error));
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    del: (key) => client.del(key),
    incr: (key) => client.incr(key),
    mget: (keys) => client.mget(...keys),
    end: () => client.quit(),
  };
}

const result = { client: name, ops: 0, errors: 0, wrong: 0, first: '' };
let ending = false;

function note(error) {
  result.errors++;
  result.first ||= String(error && error.message ? error.message : error);
}

function expect(what, found, wanted) {
  result.ops++;
  if (found === wanted) return;
  result.wrong++;
  result.first ||= `${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`;
}

async function step(client, worker, state, round) {
  const at = round % KEYS;
  const key = `${name}:{${worker}-${at >> 1}}:${at & 1}`;
  const twin = `${name}:{${worker}-${at >> 1}}:${(at & 1) ^ 1}`;
  const counter = `${name}:count:${worker}-${at}`;
  const kind = round % 7;
  if (kind === 0) {
    const there = state.values.has(key) ? 1 : 0;
    state.values.delete(key);
    expect(`del ${key}`, Number(await client.del(key)), there);
  } else if (kind === 1) {
    const wanted = (state.counters.get(counter) ?? 0) + 1;
    state.counters.set(counter, wanted);
    expect(`incr ${counter}`, Number(await client.incr(counter)), wanted);
  } else if (kind === 2) {
    const found = await client.mget([key, twin]);
    expect(`mget ${key}`, found[0], state.values.get(key) ?? null);
    expect(`mget ${twin}`, found[1], state.values.get(twin) ?? null);
  } else if (kind < 5) {
    const value = `${worker}:${round}:${'x'.repeat(round % 200)}`;
    state.values.set(key, value);
    expect(`set ${key}`, await client.set(key, value), 'OK');
  } else {
    expect(`get ${key}`, await client.get(key), state.values.get(key) ?? null);
  }
}

async function work(client, worker) {
  const state = { values: new Map(), counters: new Map() };
  for (let round = worker * 13; !ending; round++) {
    try {
      await step(client, worker, state, round);
    } catch (error) {
      // What happened is unknown now, and no error may happen: it counts, and ends the loop.
      note(error);
      break;
    }
  }
  for (const [key, value] of state.values) expect(`last ${key}`, await client.get(key), value);
  for (const [key, value] of state.counters) {
    expect(`last ${key}`, await client.get(key), String(value));
  }
}

process.stdin.on('end', () => { ending = true; });
process.stdin.on('data', () => { console.log(JSON.stringify(result)); });
process.on('unhandledRejection', (error) => { note(error); });
const client = await makers[name]();
console.log(JSON.stringify({ started: name }));
await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(client, worker)));
await client.end();
console.log(JSON.stringify(result));
process.exit(result.errors || result.wrong || !result.ops ? 1 : 0);
