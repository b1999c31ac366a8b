"""Keys: real sockets, of which only those with a key that is let in hear anything."""

import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zmq
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Camera, FrameResult
from pymafx_live.pipeline import cli
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.curve import SERVER, generate, read
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.zmq import ZmqOutput, ZmqSettings
from pymafx_live.pipeline.stop import Stop

RESULT = FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    generate(tmp_path / "keys", "client")
    return tmp_path / "keys"


@pytest.fixture
def output(keys: Path) -> Iterator[ZmqOutput]:
    with closing(ZmqOutput("tcp://127.0.0.1:*", keys / SERVER)) as made:
        yield made


def hears(output: ZmqOutput, curve: Path | str, patience: float = 20.0) -> bool:
    """Whether a subscriber with that key file gets one of the results that are sent meanwhile."""
    with Subscriber(output.address, timeout=0.05, curve=curve) as results:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            output.write(RESULT, None)
            try:
                return next(results).source == "cam"
            except NoMessageError:
                continue
    return False


def test_who_has_a_key_hears_and_nobody_else(output, keys, tmp_path):
    generate(tmp_path / "other", "client")
    foreign = tmp_path / "foreign.key_secret"  # a pair of its own, and the right publisher's public key
    public, secret = zmq.curve_keypair()
    foreign.write_text(
        f'curve\n public-key = "{public.decode()}"\n secret-key = "{secret.decode()}"\n'
        f' server-key = "{read(keys / SERVER).public.decode()}"\n'
    )
    for wrong in ("", tmp_path / "other" / "client.key_secret", foreign):
        assert not hears(output, wrong, patience=1.0)
    assert hears(output, keys / "client.key_secret")


def test_a_key_that_is_made_later_is_let_in_and_one_that_is_taken_away_is_not(output, keys):
    (new,) = generate(keys, "tablet")
    assert hears(output, new)
    (keys / "clients" / "tablet.key").unlink()
    assert not hears(output, new, patience=1.0)


def test_what_a_listener_on_the_wire_sees_holds_no_result(output, keys):
    """A proxy between both ends notes every byte: the source's name is in none of them."""
    import socket
    import threading

    seen = bytearray()
    host, port = output.address.removeprefix("tcp://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection((host, int(port))) as behind:

        def pump(one: socket.socket, other: socket.socket) -> None:
            while data := one.recv(65536):
                seen.extend(data)
                other.sendall(data)

        def serve() -> None:
            front, _ = server.accept()
            threading.Thread(target=pump, args=(behind, front), daemon=True).start()
            pump(front, behind)

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with Subscriber(address, timeout=0.05, curve=keys / "client.key_secret") as results:
            for _ in range(400):
                output.write(RESULT, None)
                try:
                    assert next(results).source == "cam"
                    break
                except NoMessageError:
                    continue
            else:
                pytest.fail("nothing was heard through the proxy")
    assert b"CURVE" in seen and b"smplx" not in seen and b"captured_at" not in seen


def test_key_files_are_their_owners_and_are_never_overwritten(keys):
    secrets = [keys / SERVER, keys / "client.key_secret"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in secrets] == [0o600, 0o600]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    before = [file.read_bytes() for file in secrets]
    with pytest.raises(UsageError, match=r"client\.key_secret is there, and keys are never overwritten"):
        generate(keys, "client")
    generate(keys, "tablet")
    assert [file.read_bytes() for file in secrets] == before
    from zmq.auth import load_certificate  # the files are those of other ZeroMQ programs, too

    assert load_certificate(keys / SERVER) == (read(keys / SERVER).public, read(keys / SERVER).secret)


@pytest.mark.parametrize("name", ["", "server", "../escape", "a b", "x" * 65])
def test_a_name_that_is_no_file(tmp_path, name):
    with pytest.raises(UsageError, match="is no name for a subscriber's keys"):
        generate(tmp_path, name)
    assert not list(tmp_path.rglob("*.key*"))


def test_what_is_no_key_is_told_without_repeating_it(keys, tmp_path, caplog):
    secret = read(keys / SERVER).secret.decode()
    (tmp_path / "empty").touch()
    (tmp_path / "none").write_text('curve\n secret-key = "' + "#" * 40 + '"\n')  # of the right letters, and no number
    for file, sentence in [
        (tmp_path / "nowhere", "cannot read the keys .*nowhere"),
        (tmp_path / "empty", "empty holds no secret key"),
        (tmp_path / "none", "none holds no secret key"),
        (keys / "clients" / "client.key", "holds no secret key"),
        (Path(secret), "--curve wants the file of a key"),
    ]:
        with pytest.raises(UsageError, match=sentence) as caught:
            ZmqOutput("tcp://127.0.0.1:*", file)
        assert secret not in str(caught.value)
    with pytest.raises(UsageError, match="is the publisher's"):
        Subscriber(curve=keys / SERVER)
    with pytest.raises(UsageError, match="is a subscriber's"):
        ZmqOutput("tcp://127.0.0.1:*", keys / "client.key_secret")
    (keys / SERVER).chmod(0o644)
    assert secret not in repr(read(keys / SERVER)) + caplog.text
    assert "can be read by other users" in caplog.text
    (keys / "clients" / "client.key").unlink()
    with pytest.raises(UsageError, match="nobody could hear"):
        ZmqOutput("tcp://127.0.0.1:*", keys / SERVER)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main.main([str(argument) for argument in arguments], prog_name="pymafx-live")
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("address", ["tcp://*:5999", "tcp://0.0.0.0:5999", "tcp://eth0:5999", "tcp://192.0.2.1:5999"])
def test_an_address_that_others_reach_needs_keys_or_the_wish_to_do_without(capsys, clips, address):
    code, err = run(capsys, "--source", clips.write(), "--bind", address)
    assert code == 2
    assert "can be reached by other machines" in err and "--curve" in err and "--insecure" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("bind", "insecure"),
    [("tcp://0.0.0.0:*", True), ("tcp://localhost:*", False), ("tcp://127.0.0.2:*", False), ("inproc://here", False)],
)
def test_addresses_that_need_no_keys(bind, insecure):
    output = ZmqOutput.open(ZmqSettings(bind=bind, insecure=insecure), Run(Stop()))
    output.close()


def test_keygen_says_what_each_file_is_for(capsys, tmp_path):
    code, err = run(capsys, "keygen", tmp_path / "keys")
    assert code == 0
    assert "server.key_secret: for --curve of pymafx-live" in err and "client.key_secret: for" in err
    for file in ("server.key_secret", "client.key_secret"):
        assert read(tmp_path / "keys" / file).secret.decode() not in err
    code, err = run(capsys, "keygen", tmp_path / "keys")
    assert code == 2 and "never overwritten" in err
