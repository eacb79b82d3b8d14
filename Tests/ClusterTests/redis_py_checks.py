"""Drives a node with the Python client `redis`, with the settings that it has by itself, and checks what comes back.

Usage: redis_py_checks.py PORT. The node must allow FLUSHALL: every check starts from an empty store.
Prints one line a check; exit status 1 if any fails. ProcessTests/ClientLibraryTests runs it.
"""

import sys
import threading
import traceback

import redis

PORT = int(sys.argv[1])


def connect(**settings):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=60, **settings)


def refused(words, action, *arguments, **settings):
    """Checks that the node answers an error that starts with `words`, and that the connection goes on."""
    try:
        answer = action(*arguments, **settings)
    except redis.ResponseError as error:
        assert str(error).startswith(words), f"{error} does not start with {words}"
    else:
        raise AssertionError(f"answered {answer!r} instead of an error")


def check_the_handshake_is_resp3(r):
    assert r.connection_pool.get_connection().handshake_metadata[b"proto"] == 3
    assert r.execute_command("HELLO")[b"proto"] == 3


def check_resp2_works_as_well(_):
    r = connect(protocol=2)
    assert r.set("a", "1") and r.get("a") == b"1" and r.get("missing") is None
    assert r.mget("a", "missing") == [b"1", None]
    assert r.config_get("maxclients")["maxclients"].isdigit()


def check_text_and_binary_values(r):
    every_byte = bytes(range(256)) * 4
    assert r.set(every_byte[:500], every_byte) is True
    assert r.get(every_byte[:500]) == every_byte
    assert r.set("leer", "") and r.get("leer") == b"" and r.strlen("leer") == 0
    assert connect(decode_responses=True).set("ключ", "значение")
    assert connect(decode_responses=True).get("ключ") == "значение"


def check_set_and_its_conditions(r):
    assert r.set("a", "1", nx=True) is True
    assert r.set("a", "2", nx=True) is None
    assert r.set("b", "1", xx=True) is None
    assert r.set("a", "3", xx=True) is True
    assert r.set("a", "4", get=True) == b"3"
    assert r.set("new", "1", get=True) is None
    assert r.setnx("a", "5") is False and r.setnx("c", "1") is True
    assert r.getset("a", "6") == b"4" and r.getdel("a") == b"6" and r.getdel("a") is None
    refused("syntax error", r.execute_command, "SET", "a", "1", "NX", "XX")
    refused("syntax error", r.execute_command, "SET", "a", "1", "NONSENSE")


def check_many_keys_at_once(r):
    assert r.mset({f"key:{n}": n for n in range(1000)}) is True
    assert r.mget([f"key:{n}" for n in range(1001)]) == [b"%d" % n for n in range(1000)] + [None]
    assert r.msetnx({"key:1": "x", "other": "y"}) is False and r.get("other") is None
    assert r.msetnx({"other": "y", "another": "z"}) is True
    assert r.exists("other", "other", "missing") == 2
    assert r.touch("other", "missing") == 1
    assert r.delete("other", "missing") == 1 and r.unlink("another") == 1
    assert r.dbsize() == 1000
    refused("wrong number of arguments for", r.execute_command, "MSET", "a", "1", "b")


def check_parts_of_values(r):
    assert r.append("a", "Hello") == 5 and r.append("a", " World") == 11
    assert r.getrange("a", 0, 4) == b"Hello" and r.getrange("a", -5, -1) == b"World"
    assert r.getrange("a", 5, 1) == b"" and r.getrange("missing", 0, -1) == b""
    assert r.setrange("a", 6, "Redis") == 11 and r.get("a") == b"Hello Redis"
    assert r.setrange("padded", 3, "x") == 4 and r.get("padded") == b"\0\0\0x"
    assert r.strlen("a") == 11 and r.strlen("missing") == 0
    refused("offset is out of range", r.execute_command, "SETRANGE", "a", "-1", "x")
    refused("value is not an integer or out of range", r.execute_command, "GETRANGE", "a", "x", "1")


def check_rename_and_copy(r):
    r.mset({"a": "1", "b": "2"})
    assert r.rename("a", "c") is True and r.get("c") == b"1" and r.exists("a") == 0
    assert r.renamenx("b", "c") is False and r.renamenx("b", "d") is True
    assert r.copy("c", "d") is False and r.copy("c", "d", replace=True) is True and r.get("d") == b"1"
    assert r.copy("missing", "x") is False
    assert r.type("c") == b"string" and r.type("missing") == b"none"
    refused("no such key", r.rename, "missing", "x")


def check_time_to_live(r):
    assert r.set("a", "1", ex=100) is True and 95 < r.ttl("a") <= 100 and 95_000 < r.pttl("a") <= 100_000
    assert r.set("a", "2", keepttl=True) is True and r.ttl("a") > 95
    assert r.set("a", "3") is True and r.ttl("a") == -1 and r.ttl("missing") == -2 and r.pttl("missing") == -2
    assert r.setex("a", 100, "1") is True and r.psetex("b", 100_000, "1") is True and r.ttl("b") > 95
    assert r.expireat("a", 4_000_000_000) == 1 and r.expiretime("a") == 4_000_000_000
    assert r.pexpireat("a", 4_000_000_000_123) == 1 and r.pexpiretime("a") == 4_000_000_000_123
    assert r.getex("a", ex=50) == b"1" and 45 < r.ttl("a") <= 50 and r.getex("a", persist=True) == b"1" and r.ttl("a") == -1
    assert r.expire("a", 100, nx=True) == 1 and r.expire("a", 200, nx=True) == 0 and r.expire("a", 50, gt=True) == 0
    assert r.expire("a", 200, gt=True) == 1 and r.pexpire("a", 50_000, lt=True) == 1 and r.expire("missing", 10) == 0
    assert r.persist("a") == 1 and r.persist("a") == 0
    assert r.expire("a", -1) == 1 and r.exists("a") == 0
    assert r.set("short", "1", px=20) is True
    while r.exists("short"):
        pass
    assert r.get("short") is None and r.keys("short*") == [] and r.set("short", "2", nx=True) is True
    refused("invalid expire time in 'set' command", r.execute_command, "SET", "a", "1", "EX", "0")
    refused("NX and XX, GT or LT options at the same time are not compatible", r.expire, "b", 10, nx=True, xx=True)


def check_a_watched_key_that_expires_has_changed(r):
    r.set("a", "1", px=20)
    with r.pipeline() as pipeline:
        pipeline.watch("a")
        while r.exists("a"):
            pass
        pipeline.multi()
        pipeline.set("a", "2")
        try:
            pipeline.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("the transaction went through")


def check_every_key_is_scanned_once(r):
    r.mset({f"user:{n}": n for n in range(500)} | {f"other:{n}": n for n in range(500)})
    assert sorted(r.scan_iter(count=7)) == sorted(r.keys())
    assert len(list(r.scan_iter())) == 1000
    assert sorted(r.scan_iter(match="user:*", count=100)) == sorted(b"user:%d" % n for n in range(500))
    assert sorted(r.keys("user:1?")) == sorted(b"user:%d" % n for n in range(10, 20))
    assert len(list(r.scan_iter(_type="string"))) == 1000 and list(r.scan_iter(_type="list")) == []
    assert r.randomkey() in set(r.keys())
    refused("invalid cursor", r.execute_command, "SCAN", "nonsense")


def check_a_scan_meets_all_that_stays_while_others_write(r):
    r.mset({f"stays:{n}": n for n in range(2000)})
    found, cursor, number = [], 0, 0
    while True:
        cursor, keys = r.scan(cursor, count=50)
        found += keys
        number += 1
        r.mset({f"new:{number}:{n}": n for n in range(20)})
        r.delete(*(f"new:{number - 1}:{n}" for n in range(20)))
        if cursor == 0:
            break
    stayed = [key for key in found if key.startswith(b"stays:")]
    assert len(stayed) == len(set(stayed)) == 2000


def check_pipelines_with_and_without_a_transaction(r):
    for transaction in (True, False):
        pipeline = r.pipeline(transaction=transaction)
        for n in range(300):
            pipeline.set(f"key:{n}", n)
        pipeline.get("key:7").get("missing").delete("key:0").exists("key:0")
        assert pipeline.execute() == [True] * 300 + [b"7", None, 1, 0]


def check_a_wrong_command_in_a_transaction_undoes_it(r):
    pipeline = r.pipeline()
    pipeline.set("a", "1")
    pipeline.execute_command("NONSENSE")
    try:
        pipeline.execute()
    except redis.ResponseError as error:
        assert "unknown command" in str(error), error
    else:
        raise AssertionError("executed")
    assert r.get("a") is None
    refused("EXEC without MULTI", r.execute_command, "EXEC")
    refused("DISCARD without MULTI", r.execute_command, "DISCARD")


def check_watch_sees_the_writes_of_others(r):
    r.set("a", "1")
    with r.pipeline() as pipeline:
        pipeline.watch("a")
        r.set("a", "2")
        pipeline.multi()
        pipeline.set("a", "3")
        try:
            pipeline.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("the transaction went through")
        assert r.get("a") == b"2"
        pipeline.watch("a")
        pipeline.unwatch()
        r.set("a", "4")
        pipeline.multi()
        pipeline.set("a", "5")
        assert pipeline.execute() == [True]


def check_transactions_count_without_losing_any(r):
    """Read-modify-write by WATCH from several threads: on one node that is as exact as on Redis."""
    r.set("counter", 0)

    def add_one(pipeline):
        value = int(pipeline.get("counter"))
        pipeline.multi()
        pipeline.set("counter", value + 1)

    def add_many():
        own = connect()
        for _ in range(25):
            own.transaction(add_one, "counter")

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("counter") == b"100"


def check_clients_see_each_other(r):
    named = connect(client_name="someone")
    named.ping()
    assert named.client_getname() in (b"someone", "someone")
    assert named.client_id() in {int(client["id"]) for client in r.client_list()}
    someone = [client for client in r.client_list() if client["name"] == "someone"]
    assert len(someone) == 1 and someone[0]["lib-name"].startswith("redis-py"), someone
    assert named.client_info()["name"] == "someone"
    assert r.client_kill_filter(_id=named.client_id()) == 1
    assert not [client for client in r.client_list() if client["name"] == "someone"]
    assert named.ping()  # The client library dials again by itself.


def check_info_tells_what_happened(r):
    r.set("a", "1")
    before = r.info("stats")
    r.get("a")
    r.get("missing")
    after = r.info("stats")
    assert after["keyspace_hits"] - before["keyspace_hits"] == 1
    assert after["keyspace_misses"] - before["keyspace_misses"] == 1
    everything = r.info()
    assert everything["connected_clients"] >= 1 and everything["redis_version"] and everything["role"] == "master"
    assert everything["db0"]["keys"] == 1
    connection = r.connection_pool.get_connection()
    connection.send_command("INFO", "hearsay")
    assert connection.read_response().startswith(b"# Hearsay\r\n")


def check_configuration_is_shown(r):
    assert r.config_get("maxclients")["maxclients"].isdigit()
    assert len(r.config_get("*")) > 1
    assert r.config_get("nonsense") == {}
    refused("Unknown option or number of arguments for CONFIG SET", r.config_set, "nonsense", "1")


def check_errors_are_worded_as_in_redis_and_keep_the_connection(r):
    connection = r.connection_pool.get_connection()
    for words, command in [
        ("unknown command 'NONSENSE', with args beginning with: 'a' 'b' ", ("NONSENSE", "a", "b")),
        ("unknown command 'LPUSH', with args beginning with:", ("LPUSH", "list", "x")),
        ("wrong number of arguments for 'get' command", ("GET",)),
        ("wrong number of arguments for 'get' command", ("GET", "a", "b")),
        ("unknown subcommand 'nonsense'. Try CLIENT HELP.", ("CLIENT", "nonsense")),
        ("DB index is out of range", ("SELECT", "1")),
        ("NOPROTO unsupported protocol version", ("HELLO", "9")),
    ]:
        connection.send_command(*command)
        refused(words, connection.read_response)
    connection.send_command("PING")
    assert connection.read_response() == b"PONG"


def check_small_things(r):
    assert r.ping() is True and r.echo("said") == b"said"
    seconds, microseconds = r.time()
    assert seconds > 1_700_000_000 and 0 <= microseconds < 1_000_000
    assert r.select(0) is True
    assert r.command_count() == len(r.command()) > 30
    assert "get" in r.command() or b"get" in r.command()
    assert r.reset() in (b"RESET", "RESET")


def check_a_large_value_arrives_whole(r):
    value = bytes(range(256)) * 32768  # 8 MiB
    assert r.set("large", value) and r.get("large") == value


def main():
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    failures = 0
    for name, check in checks:
        r = connect()
        assert r.flushall()
        try:
            check(r)
        except Exception:
            failures += 1
            print(f"FAILED {name}\n{traceback.format_exc()}")
        else:
            print(f"passed {name}")
        r.close()
    print(f"redis-py {redis.__version__}: {len(checks) - failures} of {len(checks)} checks passed")
    return 1 if failures or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
