"""Plain-text reports."""

from .amounts import Balance


def account_totals(journal, depth=None, **filters):
    """Map every account that is posted to, clipped to ``depth``, to its total."""
    totals = {}
    for _, posting in journal.select(**filters):
        account = posting.account
        if depth is not None:
            account = account.clip(depth)
        totals.setdefault(account, Balance()).add(posting.amount)
    return totals


def _with_ancestors(totals):
    """Add to each account what its sub-accounts hold."""
    tree = {}
    for account, balance in totals.items():
        while account is not None:
            tree.setdefault(account, Balance()).update(balance)
            account = account.parent
    return tree


def balance_report(journal, depth=None, flat=False, empty=False, **filters):
    """One line for each account and a grand total under a rule.

    As a tree (the default) an account's line includes its sub-accounts; with
    ``flat`` it does not. Accounts that hold nothing are left out unless
    ``empty`` is true.
    """
    totals = account_totals(journal, depth, **filters)
    grand = Balance()
    for balance in totals.values():
        grand.update(balance)
    rows = []
    shown = totals if flat else _with_ancestors(totals)
    for account in sorted(shown):
        balance = shown[account]
        if not balance and not empty:
            continue
        if flat:
            label = account.name
        else:
            label = "  " * (account.depth - 1) + account.parts[-1]
        rows.append((label, balance))
    cells = [str(balance) for _, balance in rows] + [str(grand)]
    width = max(len(cell) for cell in cells)
    lines = [
        "%s  %s" % (cell.rjust(width), label)
        for cell, (label, _) in zip(cells, rows)
    ]
    lines.append("-" * width)
    lines.append(cells[-1].rjust(width))
    return "\n".join(lines)


def register_rows(journal, account=None, begin=None, end=None, pending=True):
    """(date, payee, account, amount, running balance) for each posting.

    The running balance starts from what the account held before ``begin``.
    """
    running = Balance()
    for transaction, posting in journal.select(account, None, end, pending):
        running.add(posting.amount)
        if begin is not None and transaction.date < begin:
            continue
        yield (
            transaction.date,
            transaction.payee,
            posting.account,
            posting.amount,
            running.copy(),
        )


def register_report(journal, account=None, begin=None, end=None, pending=True):
    rows = [
        (str(date), payee, str(name), str(amount), str(running))
        for date, payee, name, amount, running in register_rows(
            journal, account, begin, end, pending
        )
    ]
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for date, payee, name, amount, running in rows:
        lines.append(
            "  ".join(
                (
                    date,
                    payee.ljust(widths[1]),
                    name.ljust(widths[2]),
                    amount.rjust(widths[3]),
                    running.rjust(widths[4]),
                )
            )
        )
    return "\n".join(lines)
