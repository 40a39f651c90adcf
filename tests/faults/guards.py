"""Guards of acute, each of which can be taken out, to see that the campaign notices."""


def _no_part_checksums():
    """A part is taken as it is."""
    import acute.parts
    from acute.checksum import Sealed

    def trusting(found):
        _, _, sealed = found.partition(b"\n")
        made_of, _, content = sealed.partition(b"\n")
        return Sealed(made_of.decode("utf-8", "replace"), content)

    acute.parts.unseal = trusting


def _no_file_checksums():
    """A finished file is taken as it is."""
    import acute.gradients.store
    import acute.report.reading
    import acute.run

    for module in (acute.run, acute.gradients.store, acute.report.reading):
        module.refuse_damaged = lambda *_: None


def _writes_in_place():
    """A file is written where it stands."""
    import acute.parts
    import acute.run
    import acute.table

    def plainly(path, content):
        import os

        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    for module in (acute.run, acute.parts, acute.table):
        module.write_atomically = plainly


def _no_second_question():
    """A killed worker's question is not asked again."""
    import acute.verify.pool
    from acute.verify.runner import Runner

    acute.verify.pool.TRIES = 1
    Runner.run = Runner._run


def _no_lock():
    """Anybody may work on a folder."""
    import fcntl

    fcntl.flock = lambda *_: None


def _no_signals():
    """The system's and Python's own ways with signals."""
    import acute.__main__
    import acute.cli.main

    acute.__main__.listen = acute.cli.main.listen = lambda: None


GUARDS = {
    "checksums of parts": _no_part_checksums,
    "checksums of files": _no_file_checksums,
    "atomic writes": _writes_in_place,
    "second question": _no_second_question,
    "lock": _no_lock,
    "signals": _no_signals,
}
