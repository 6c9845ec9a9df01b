#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A checking load with python3-redis: check.py PORT. As check.mjs: works until stdin ends, reads
every key once, prints one JSON line, and one for each line that comes; exit 1 when anything
differed."""
import json
import sys
import threading

import redis

WORKERS = 4
KEYS = 100
RESULT = {"client": "python3-redis", "ops": 0, "errors": 0, "wrong": 0, "first": ""}
LOCK = threading.Lock()
ENDING = threading.Event()


def expect(what, found, wanted):
    with LOCK:
        RESULT["ops"] += 1
        if found != wanted:
            RESULT["wrong"] += 1
            RESULT["first"] = RESULT["first"] or f"{what}: {found!r}, not {wanted!r}"


def step(client, worker, values, counters, number):
    at = number % KEYS
    key, twin = (f"py:{{{worker}-{at // 2}}}:{at % 2 ^ side}" for side in (0, 1))
    counter = f"py:count:{worker}-{at}"
    kind = number % 7
    if kind == 0:
        expect(f"del {key}", client.delete(key), 1 if values.pop(key, None) is not None else 0)
    elif kind == 1:
        counters[counter] = counters.get(counter, 0) + 1
        expect(f"incr {counter}", client.incr(counter), counters[counter])
    elif kind == 2:
        expect(f"mget {key}", client.mget([key, twin]), [values.get(key), values.get(twin)])
    elif kind < 5:
        values[key] = b"%d:%d:" % (worker, number) + b"x" * (number % 200)
        expect(f"set {key}", client.set(key, values[key]), True)
    else:
        expect(f"get {key}", client.get(key), values.get(key))


def work(client, worker):
    values, counters = {}, {}
    number = worker * 13
    try:
        while not ENDING.is_set():
            step(client, worker, values, counters, number)
            number += 1
        for key, value in values.items():
            expect(f"last {key}", client.get(key), value)
        for key, value in counters.items():
            expect(f"last {key}", client.get(key), b"%d" % value)
    except redis.RedisError as error:
        with LOCK:
            RESULT["errors"] += 1
            RESULT["first"] = RESULT["first"] or repr(error)


def main():
    client = redis.RedisCluster(host="127.0.0.1", port=int(sys.argv[1]))
    threads = [threading.Thread(target=work, args=(client, worker)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    print(json.dumps({"started": RESULT["client"]}), flush=True)
    while sys.stdin.readline():
        print(json.dumps(RESULT), flush=True)
    ENDING.set()
    for thread in threads:
        thread.join()
    print(json.dumps(RESULT))
    return 1 if RESULT["errors"] or RESULT["wrong"] or not RESULT["ops"] else 0


if __name__ == "__main__":
    sys.exit(main())
