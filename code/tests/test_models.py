import pytest
import torch

from worked.models import LeNet5, parameter_count


def test_lenet5_has_the_paper_s_layers():
    model = LeNet5()
    shapes = []
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.MaxPool2d | torch.nn.Linear):
            module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]


def test_parameter_count():
    # 6 (25 + 1), 16 (150 + 1), 120 (400 + 1), 84 (120 + 1), 10 (84 + 1)
    assert parameter_count(LeNet5()) == 156 + 2416 + 48120 + 10164 + 850
    assert parameter_count(LeNet5(batch_norm=True)) == 61706 + 2 * (6 + 16 + 120 + 84)
    model = LeNet5()
    model.classifier.requires_grad_(False)
    assert parameter_count(model) == 156 + 2416 + 48120


@pytest.mark.parametrize(("dropout", "differ"), [(0.5, True), (0.0, False)])
def test_dropout_acts_in_training_only(dropout, differ):
    torch.manual_seed(0)
    model, images = LeNet5(dropout=dropout), torch.randn(4, 1, 28, 28)
    assert (not torch.equal(model(images), model(images))) == differ
    model.eval()
    assert torch.equal(model(images), model(images))
