"""A shopping cart whose two sides may be written apart from each other: a worked example for siblings, with plain redis-py.

The cart is one key, its value a JSON object of items and quantities. Every change reads all siblings with their context (VGET),
merges them, changes the result, and writes it with that context (VSET … CONTEXT), which puts it in the place of exactly what was
read. What somebody else has written meanwhile, here or on another node, stays beside it for the next reader to merge.

Merging is the application's, as only it knows what a cart is: the union of the items, and of an item that several siblings have
the greatest quantity. So nothing that was put in gets lost. The price is the one of Amazon's cart (DeCandia et al., "Dynamo",
SOSP 2007, §4.4): an item that one side has taken out while the other side still had it comes back, and two sides that
each add one milk to a cart of one have two together, not three. A cart that cannot live with that keeps lines of its own for each
change, {"a7": ["milk", +1], …}, and adds them up. Whatever a merge does, it must give the same for the same siblings in any order
and any number: two readers merge at the same time, and a client whose connection breaks sends its write again.
"""

import argparse
import json
import sys

import redis


def connect(address):
    host, _, port = address.rpartition(":")
    return redis.Redis(host, int(port), protocol=3, decode_responses=True, socket_timeout=10)


def read(node, key):
    """All siblings of a cart, the newest first, and the context that stands for having read them; none for a cart that is not there."""
    answer = node.execute_command("VGET", key)
    return [json.loads(sibling) for sibling in answer["siblings"]], answer["context"]


def write(node, key, cart, context):
    """Puts a cart in the place of all that was read with the context, and of nothing else."""
    node.execute_command("VSET", key, json.dumps(cart, sort_keys=True), "CONTEXT", context)


def merged(siblings):
    """One cart of several: every item of any of them, as often as the one has it that has it most often."""
    cart = {}
    for sibling in siblings:
        for item, quantity in sibling.items():
            cart[item] = max(quantity, cart.get(item, 0))
    return cart


def change(node, key, changing):
    siblings, context = read(node, key)
    cart = merged(siblings)
    changing(cart)
    write(node, key, cart, context)


def add(node, key, item, quantity):
    change(node, key, lambda cart: cart.update({item: cart.get(item, 0) + quantity}))


def remove(node, key, item):
    change(node, key, lambda cart: cart.pop(item, None))


def merge(node, key):
    """Any change merges; this one does nothing else, and writes nothing where there is nothing to merge."""
    siblings, context = read(node, key)
    if len(siblings) > 1:
        write(node, key, merged(siblings), context)


def order(node, key):
    """Takes what is in the cart and deletes just what was read: a cart that was changed meanwhile stays, with all that is in it."""
    siblings, context = read(node, key)
    node.execute_command("VDEL", key, "CONTEXT", context)
    return merged(siblings)


def text(cart):
    return ", ".join(f"{quantity} {item}" for item, quantity in sorted(cart.items())) or "nothing"


def show(node, key):
    siblings, _ = read(node, key)
    print("\n".join(text(cart) for cart in siblings) or "no cart")


def main():
    parser = argparse.ArgumentParser(description="A shopping cart on a node of Hearsay.")
    parser.add_argument("--key", default="cart:17", help="the cart's key (default: %(default)s)")
    parser.add_argument("node", type=connect, metavar="HOST:PORT")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("show", help="print the siblings, one a line, the newest first")
    adding = actions.add_parser("add", help="put something in")
    adding.add_argument("item")
    adding.add_argument("quantity", type=int, nargs="?", default=1)
    actions.add_parser("remove", help="take something out").add_argument("item")
    actions.add_parser("merge", help="write one cart in the place of several siblings")
    actions.add_parser("order", help="empty the cart, and print what was in it")
    chosen = parser.parse_args()
    node, key = chosen.node, chosen.key
    match chosen.action:
        case "show":
            show(node, key)
        case "add":
            add(node, key, chosen.item, chosen.quantity)
        case "remove":
            remove(node, key, chosen.item)
        case "merge":
            merge(node, key)
        case "order":
            print(text(order(node, key)))


if __name__ == "__main__":
    try:
        main()
    except redis.RedisError as error:
        sys.exit(f"error: {error}")
