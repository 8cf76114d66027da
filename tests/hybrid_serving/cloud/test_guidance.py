import numpy as np

from hybrid_serving.cloud import guidance


def test_the_embedding_is_sines_and_cosines_of_the_scale_less_one() -> None:
    embedding = guidance.embedded_scale(7.5, width=256)
    assert embedding.dtype == np.float32
    assert embedding.shape == (256,)
    np.testing.assert_allclose(embedding[0], np.sin(6500.0), atol=1e-4)
    np.testing.assert_allclose(embedding[128], np.cos(6500.0), atol=1e-4)
    np.testing.assert_allclose(embedding[127], np.sin(6500.0 / 10000.0), atol=1e-4)


def test_an_odd_width_ends_with_a_zero() -> None:
    assert guidance.embedded_scale(2.0, width=5)[-1] == 0.0
