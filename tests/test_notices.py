from dataclasses import replace

import passband as pb
from helpers import Memory, noise
from passband.notices import Notice

FOUND = (Notice("model", "answers twice"), Notice("data", "80 pictures, 12 left out", warning=False))


def test_notices_travel_from_model_and_data_to_card_file_and_page(tmp_path):
    data = replace(noise(), notices=FOUND[1:])
    model = pb.PixelModel(Memory(data), name="remembers")
    model.notices = FOUND[:1]
    found = pb.audit(model, data, radii=[3], ceiling_samples=0)
    assert found.card.notices == FOUND
    found.save(tmp_path)
    assert pb.Audit.load(tmp_path).card.notices == FOUND
    page = pb.write_report(found, tmp_path).read_text()
    assert '<div class="warning" role="note"><p>answers twice</p></div>' in page
    assert "80 pictures, 12 left out" in page


def test_the_order_of_classes_is_no_question_where_outputs_have_their_names():
    order = Notice("order", "sorted by number, and by text for '10'")
    data = replace(noise(classes=4), notices=(order,))
    for classes, settled in ((("d", "c", "b", "a"), True), (None, False), (("x", "y", "z", "w"), False)):
        model = pb.PixelModel(Memory(data), name="remembers", classes=classes)
        found = pb.audit(model, data, radii=[3], ceiling_samples=0).card.notices
        assert (order not in found) == settled
