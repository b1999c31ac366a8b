"""Retargets a person onto a robot with General Motion Retargeting, live; runs in GMR's own environment.

pymafx-live --source 0 --lock --robot gmr      # in one terminal
python -m pip install pyzmq msgpack            # in GMR's environment, then there
python gmr_robot.py unitree_g1 tcp://127.0.0.1:5557
"""

import sys

import msgpack
import numpy as np
import zmq


def messages(address):
    """The newest message each time: what was not taken in time is left out."""
    socket = zmq.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.CONFLATE, 1)
    socket.connect(address)
    socket.subscribe(b"robot/gmr\0")
    while True:
        content = msgpack.unpackb(socket.recv().partition(b"\0")[2])
        if content["version"] != 1:
            sys.exit(f"version {content['version']} is not known here")
        yield content


def main(robot, address):
    """Retargets while somebody is followed; while nobody is, the robot keeps its last pose."""
    from general_motion_retargeting import GeneralMotionRetargeting, RobotMotionViewer

    retargeting, state = None, ""
    viewer = RobotMotionViewer(robot_type=robot, motion_fps=50)
    for content in messages(address):
        if content["state"] != state:
            state = content["state"]
            print(state, flush=True)
        if "frame" not in content:
            continue
        if retargeting is None:
            retargeting = GeneralMotionRetargeting(
                src_human="smplx", tgt_robot=robot, actual_human_height=content["height"], verbose=False
            )
        human = {name: (np.array(place), np.array(turn)) for name, (place, turn) in content["frame"].items()}
        qpos = retargeting.retarget(human)
        viewer.step(root_pos=qpos[:3], root_rot=qpos[3:7], dof_pos=qpos[7:])


if __name__ == "__main__":
    main(*sys.argv[1:])
