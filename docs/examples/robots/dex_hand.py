"""Closes a robot's hand as a person closes theirs, with dex-retargeting.

pymafx-live --source 0 --lock --robot hands    # in one terminal
python -m pip install dex-retargeting==0.5.0 torch six pyzmq msgpack
python dex_hand.py right shadow_hand_right.yml tcp://127.0.0.1:5558
"""

import sys

import msgpack
import numpy as np
import zmq


def main(side, config, address):
    """Prints the joints of the hand that a configuration of dex-retargeting (with its `urdf_path`) names."""
    from dex_retargeting.retargeting_config import RetargetingConfig

    retargeting = RetargetingConfig.load_from_file(config).build()
    human = retargeting.optimizer.target_link_human_indices
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.CONFLATE, 1)  # the newest only
    socket.connect(address)
    socket.subscribe(b"robot/hands\0")
    print(*retargeting.joint_names, flush=True)
    while True:
        content = msgpack.unpackb(socket.recv().partition(b"\0")[2])
        if content["version"] != 1:
            sys.exit(f"version {content['version']} is not known here")
        if "hands" not in content or not content["hands"][side]["measured"]:
            continue  # keep the last pose
        points = np.array(content["hands"][side]["points"])
        if retargeting.optimizer.retargeting_type == "POSITION":
            reference = points[human]
        else:
            reference = points[human[1]] - points[human[0]]
        print(*np.round(retargeting.retarget(reference), 3), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
