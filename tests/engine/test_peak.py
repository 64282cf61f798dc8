from passband.engine.local import Local
from passband.engine.peak import measure_peak
from passband.engine.plan import plan_runs
from passband.train.config import RunConfig


def test_the_peak_of_a_process_holds_its_data_and_a_step(tmp_path):
    small = RunConfig("fashion-mnist", model="lenet", limit=100, batch_size=10)
    large = RunConfig("fashion-mnist", model="resnet14", width=32, batch_size=512)
    first, second = plan_runs([(small, None), (large, None)], tmp_path)
    peaks = [
        Local().call(measure_peak, one, device="cpu", threads=1) for one in (first, second)
    ]  # each in a process of its own
    assert 2**27 < peaks[0] < peaks[1] < 2**33
    # 512 images and the features of its 14 layers, from 28x28x32 on, are more than 300 MB.
    assert peaks[1] - peaks[0] > 300e6
    assert not list(tmp_path.iterdir())
