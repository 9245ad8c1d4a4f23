"""The same texts in Japanese and Chinese: as carriers, gateways and mail programs there write them."""

from postroom.mail.bounce_rules.rule import Rule, says
from postroom.mail.reasons import Reason

_JAPANESE = (
    Rule("ja-spam", Reason.SPAM, says("迷惑メールと判定 | 迷惑メールとして | スパムと判定 | スパムメール")),
    Rule("ja-virus", Reason.VIRUS, says("ウイルスが検出 | ウィルスが検出 | ウイルスを検出 | ウィルスを検出")),
    Rule(
        "ja-full",
        Reason.MAILBOX_FULL,
        says(
            """
            メールボックスが一杯 | メールボックスがいっぱい | メールボックスが満杯 | メールボックスの容量
            | ボックスが一杯 | 容量が一杯 | 容量がいっぱい | 容量を超え | 容量制限 | 容量オーバー | 受信箱がいっぱい
            | 容量不足
            """
        ),
    ),
    Rule(
        "ja-too-large",
        Reason.TOO_LARGE,
        says("サイズが大きすぎ | サイズが制限 | メールサイズが | サイズ制限 | 最大サイズ"),
    ),
    Rule(
        "ja-suspended",
        Reason.SUSPENDED,
        says("利用停止 | 利用を停止 | アカウントが停止 | 一時停止 | アカウントは無効 | 利用休止"),
    ),
    Rule("ja-filter", Reason.FILTERED, says("受信拒否 | 受信を拒否 | 指定受信 | 受信設定により | ドメイン指定")),
    Rule(
        "ja-sender", Reason.SENDER_REJECTED, says("送信者のアドレス | 送信者アドレス | 送信元アドレス | 差出人アドレス")
    ),
    Rule("ja-loop", Reason.NETWORK, says("メールループ | 配送ループ")),
    Rule("ja-expired", Reason.EXPIRED, says("タイムアウト | 応答がありません | 接続できません | 時間内に")),
    Rule(
        "ja-no-such-domain",
        Reason.NO_SUCH_DOMAIN,
        says("ドメインが見つかり | ドメインが存在 | ドメインは存在 | ホストが見つかり | 宛先のドメインが"),
    ),
    Rule(
        "ja-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            宛先がみつかりません | 宛先が見つかりません | アドレスが見つかりません | アドレスがみつかりません
            | アドレスが存在しません | アドレスは存在しません | ユーザーが存在しません | ユーザが存在しません
            | ユーザーが見つかりません | ユーザが見つかりません | ユーザーは存在しません | ユーザは存在しません
            | 宛先不明 | あて先不明 | 宛先が不明 | 宛先アドレスが不明 | 存在しないメールアドレス
            | 存在しないアドレス | 該当するユーザ | 受信者が見つかりません | メールアドレスが間違
            """
        ),
    ),
)

_CHINESE = (
    Rule("zh-spam", Reason.SPAM, says("垃圾邮件 | 垃圾郵件 | 广告邮件 | 反垃圾")),
    Rule("zh-virus", Reason.VIRUS, says("病毒")),
    Rule(
        "zh-full",
        Reason.MAILBOX_FULL,
        says(
            """
            邮箱已满 | 信箱已滿 | 信箱已满 | 邮箱空间不足 | 信箱空間不足 | 空间不足 | 空間不足 | 容量已满 | 容量不足
            | 超出配额 | 容量满
            """
        ),
    ),
    Rule(
        "zh-too-large",
        Reason.TOO_LARGE,
        says("邮件过大 | 邮件太大 | 郵件過大 | 郵件太大 | 超过大小限制 | 大小超过"),
    ),
    Rule(
        "zh-suspended",
        Reason.SUSPENDED,
        says("已被停用 | 帐号被锁 | 账号被锁 | 邮箱被锁 | 被禁用 | 帐户已停用 | 帳戶已停用 | 已被冻结"),
    ),
    Rule("zh-rate", Reason.RATE, says("频率 | 頻率 | 超过限制 | 发信量 | 过于频繁 | 連線過多 | 连接数过多")),
    Rule("zh-filter", Reason.FILTERED, says("拒收 | 收件人拒绝 | 白名单")),
    Rule("zh-sender", Reason.SENDER_REJECTED, says("发件人地址 | 发件人不存在 | 发件人域名 | 寄件者地址 | 寄件人地址")),
    Rule("zh-blocked", Reason.BLOCKED, says("黑名单 | 黑名單 | ip被 | 被屏蔽")),
    Rule(
        "zh-no-such-domain",
        Reason.NO_SUCH_DOMAIN,
        says("域名不存在 | 網域不存在 | 找不到域名 | 域名无法解析 | 找不到主机"),
    ),
    Rule(
        "zh-unknown",
        Reason.NO_SUCH_USER,
        says(
            """
            用户不存在 | 使用者不存在 | 收件人不存在 | 收件者不存在 | 地址不存在 | 邮箱不存在 | 信箱不存在
            | 帐号不存在 | 账号不存在 | 帳號不存在 | 查无此人 | 查無此人 | 无此用户 | 無此使用者 | 用户未找到
            | 找不到该用户 | 找不到收件人 | 找不到收件者 | 该用户不存在 | 邮件地址不存在 | 收件人地址不存在
            | 未开通qq邮箱
            """
        ),
    ),
)

RULES = (*_JAPANESE, *_CHINESE)
