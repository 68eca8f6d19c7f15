"""What `sam local invoke` makes of the template's environment variables, computed twice, independently of each other."""

import os
import re

from samcli.lib.providers.sam_base_provider import SamBaseProvider
from samcli.local.lambdafn.env_vars import EnvironmentVariables
from template import STACK_ID, deployed, template

from local.processes import ACCOUNT, REGION


def expected(parameters):
    """The variables of each function as CloudFormation computes them; see `tools/template.py`.

    SAM has no resources. It takes the logical ID for a resource's name, and the ARN of a Lambda function for its ARN.
    It can't resolve other attributes, and the functions reject what it passes instead.
    """

    def local(match):
        name, attribute = match.groups()
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        return {"Ref": name, "Arn": arn}.get(attribute, f"${name}.{attribute}")

    functions = deployed(parameters).section("Resources").items()
    return {
        function: {
            name: re.sub(r"<(\w+)\.(\w+)>", local, str(value))
            for name, value in resource["Properties"]["Environment"]["Variables"].items()
        }
        for function, resource in functions
        if resource["Type"] == "AWS::Lambda::Function"
    }


def resolved(parameters):
    """The variables of each function as the SAM CLI itself resolves them. It passes an unresolved one as empty."""
    os.environ.setdefault("AWS_REGION", REGION)
    pseudo = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": "demo", "AWS::StackId": STACK_ID}
    functions = SamBaseProvider.get_template(template(), {**parameters, **pseudo})["Resources"].items()
    found = {}
    for function, resource in functions:
        if resource["Type"] == "AWS::Serverless::Function":
            variables = resource["Properties"]["Environment"]["Variables"]
            passed = EnvironmentVariables(variables=variables).resolve()
            found[function] = {name: passed[name] for name in variables}
    return found
