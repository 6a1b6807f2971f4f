"""Faces drawn with ellipses, which the detector finds, and an embedder that tells them apart by their colours."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

#: Person to the colours of skin, hair and background.
COLOURS = {
    "Ada": ((230, 180, 150), (50, 35, 25), (90, 110, 120)),
    "Bo": ((180, 110, 90), (15, 12, 10), (90, 110, 120)),
    "Cem": ((240, 210, 120), (170, 40, 30), (90, 110, 120)),
    "Stranger": ((150, 190, 240), (220, 220, 220), (90, 110, 120)),
}


def drawn_face(name, *, size=160, shift=(0, 0), turn=0.0, shut=False):
    """A face as uint8 RGB (size, size, 3); ``turn`` moves its nose to a side, -1 to 1."""
    skin, hair, behind = COLOURS[name]
    image = Image.new("RGB", (size, size), behind)
    draw, x, y, w = ImageDraw.Draw(image), size / 2 + shift[0], size / 2 + shift[1], size * 0.27
    draw.ellipse([x - w * 1.05, y - w * 1.6, x + w * 1.05, y + w * 0.9], fill=hair)
    draw.ellipse([x - w, y - w * 1.25, x + w, y + w * 1.35], fill=skin)
    for side in (-1, 1):
        eye = x + side * w * 0.4
        if not shut:
            draw.ellipse([eye - w * 0.2, y - w * 0.3, eye + w * 0.2, y - w * 0.08], fill=(245, 245, 245))
            draw.ellipse([eye - w * 0.1, y - w * 0.29, eye + w * 0.1, y - w * 0.09], fill=(30, 20, 15))
        draw.line(
            [eye - w * 0.26, y - w * 0.42, eye + w * 0.26, y - w * 0.44], fill=(40, 25, 20), width=round(w * 0.09)
        )
    nose = x + turn * w * 0.4
    shade = tuple(int(0.82 * c) for c in skin)
    draw.polygon([(x, y - w * 0.1), (nose - w * 0.15, y + w * 0.33), (nose + w * 0.15, y + w * 0.33)], fill=shade)
    draw.ellipse([x - w * 0.36, y + w * 0.6, x + w * 0.36, y + w * 0.78], fill=tuple(int(0.55 * c) for c in skin))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(size / 160)))


def write_pictures(folder, name, count=3):
    """Some slightly different pictures of one person; their paths."""
    paths = [folder / f"{name}{index}.png" for index in range(count)]
    for index, path in enumerate(paths):
        Image.fromarray(drawn_face(name, shift=(3 * index - 3, 2 * index))).save(path)
    return paths


def write_video(path, frames, *, rate=10):
    """Frames (h, w, 3) as a video."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return path


def colour_embedder(path):
    """An ONNX embedder whose vector is the colours of a face; its card has the task ``identity``."""
    from onnx import TensorProto, helper

    from affekt.face.identity import IdentityInput
    from affekt.models.card import KEY, Card

    nodes = [
        helper.make_node("AveragePool", ["face"], ["pooled"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 3, 56, 56])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 48])],
    )
    points = [[x / 2, y / 2] for x, y in IdentityInput().points]
    table = {"size": 56, "points": points, "usual": 0.98, "least": 0.95}
    card = Card("colours-1", "face", ("stranger", "person"), task="identity", input=table)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {KEY: card.to_json()})
    path.write_bytes(model.SerializeToString())
    return path
